package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// patience bounds every wait for something that must happen. Only a hang reaches it, also where servers are emulated and the
// machine is busy.
const patience = 3 * time.Minute

// impatient is a client whose requests have an end.
var impatient = &http.Client{Timeout: patience}

// patient returns a context for a call that must return.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, fmt.Errorf("no answer within %v", patience))
	t.Cleanup(cancel)
	return ctx
}

// daemon is a `sohost run` under test.
type daemon struct {
	t      testing.TB
	cmd    *exec.Cmd
	url    string
	client *control.Client
	exited chan struct{} // closed after Wait

	mu    sync.Mutex // guards lines, woken
	lines []line
	woken chan struct{} // closed and replaced with each line
}

// line is one line of the server's log.
type line map[string]any

func (l line) text(key string) string {
	s, _ := l[key].(string)
	return s
}

// place is where one server lives through its restarts.
type place struct {
	dir, plugins, store, control string
	env                          []string // what its servers have in their environment besides
}

func newPlace(t testing.TB) place {
	dir, err := os.MkdirTemp(scratch, "place-") // t.TempDir is too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := place{dir: dir, plugins: filepath.Join(dir, "plugins"), store: filepath.Join(dir, "store"), control: filepath.Join(dir, "c.sock")}
	if err := os.Mkdir(p.plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs a server in the place and waits until it serves. It is stopped when the test ends.
func (p place) start(t testing.TB, args ...string) *daemon {
	t.Helper()
	args = append([]string{"run", "--listen", "127.0.0.1:0", "--store", p.store, "--control", p.control, "--log-format", "json",
		"--boot-wait", patience.String()}, args...)
	return startServer(t, p, server, args...)
}

// startServer runs a program that logs JSON, with a line "serving" that has its URL.
func startServer(t testing.TB, p place, program string, args ...string) *daemon {
	t.Helper()
	cmd := command(context.Background(), program, args...)
	cmd.Dir, cmd.Env = p.dir, append(cmd.Environ(), p.env...)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, cmd: cmd, client: control.NewClient(p.control), exited: make(chan struct{}), woken: make(chan struct{})}
	go func() {
		d.read(logs)
		cmd.Wait()
		close(d.exited)
	}()
	t.Cleanup(func() {
		d.kill()
		if report := d.raceReport(); report != "" {
			t.Errorf("in the server is a race:\n%s", report)
		}
		if t.Failed() {
			t.Log("errors in the server's log:\n" + d.errors())
		}
	})
	d.url = d.await(0, func(l line) bool { return l.text("msg") == "serving" }).text("url")
	return d
}

func (d *daemon) read(logs io.Reader) {
	scanner := bufio.NewScanner(logs)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		l := parseLine(scanner.Text())
		d.mu.Lock()
		d.lines = append(d.lines, l)
		close(d.woken)
		d.woken = make(chan struct{})
		d.mu.Unlock()
	}
}

// parseLine returns a line of the log, or one that a process wrote in another way, with its text as the message. A line of the log
// is written at once, but it may begin within another process's line that is written in pieces, as those of GODEBUG=gctrace=1 are.
func parseLine(text string) line {
	l := line{}
	if from := max(0, strings.Index(text, `{"time":`)); json.Unmarshal([]byte(text[from:]), &l) == nil {
		return l
	}
	return line{"msg": text}
}

// raceReport returns what the race detector has said of the server's processes, from its first report on.
func (d *daemon) raceReport() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var report strings.Builder
	for _, l := range d.lines {
		if len(l) > 1 { // the server's own
			continue
		}
		if said := l.text("msg"); report.Len() > 0 || strings.Contains(said, "DATA RACE") || strings.Contains(said, "ThreadSanitizer") {
			fmt.Fprintln(&report, said)
		}
	}
	return report.String()
}

// mark returns the present end of the log, for await.
func (d *daemon) mark() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.lines)
}

// next returns a channel that is closed once there are lines after a mark.
func (d *daemon) next(mark int) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.lines) > mark {
		now := make(chan struct{})
		close(now)
		return now
	}
	return d.woken
}

// await returns the first line from a mark on that matches, as soon as there is one.
func (d *daemon) await(from int, match func(line) bool) line {
	d.t.Helper()
	timeout := time.After(patience)
	for {
		d.mu.Lock()
		for ; from < len(d.lines); from++ {
			if match(d.lines[from]) {
				l := d.lines[from]
				d.mu.Unlock()
				return l
			}
		}
		woken := d.woken
		d.mu.Unlock()
		select {
		case <-woken:
		case <-d.exited:
			d.t.Fatalf("the server ended (%v); its log:\n%s", d.cmd.ProcessState, d.log())
		case <-timeout:
			d.t.Fatalf("not logged within %v; the log:\n%s", patience, d.log())
		}
	}
}

func (d *daemon) log() string { return d.text(func(line) bool { return true }) }

// errors returns what the server has logged as an error, and what isn't a log, such as a crash.
func (d *daemon) errors() string {
	return d.text(func(l line) bool { return l.text("level") == "ERROR" || l.text("level") == "" })
}

// text returns the lines of the log that match.
func (d *daemon) text(match func(line) bool) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, l := range d.lines {
		if !match(l) {
			continue
		}
		text, _ := json.Marshal(l)
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

// awaitReload waits for the plugin's next reload from a mark on, and returns the new generation.
func (d *daemon) awaitReload(from int, plugin string) string {
	d.t.Helper()
	return d.await(from, func(l line) bool { return l.text("msg") == "reloaded" && l.text("plugin") == plugin }).text("to")
}

// awaitRefusal waits for the plugin's next refusal from a mark on.
func (d *daemon) awaitRefusal(from int, plugin string) line {
	d.t.Helper()
	return d.await(from, func(l line) bool { return l.text("msg") == "refused" && l.text("plugin") == plugin })
}

// terminate sends SIGTERM and waits for a clean end.
func (d *daemon) terminate() {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.awaitExit()
}

// awaitExit waits for a clean end.
func (d *daemon) awaitExit() {
	d.t.Helper()
	select {
	case <-d.exited:
	case <-time.After(patience):
		d.t.Fatalf("the server doesn't end within %v; its log:\n%s", patience, d.log())
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.t.Fatalf("the server exits with %d; its log:\n%s", code, d.log())
	}
}

// kill ends the server at once, as kill -9 does, and waits until it is gone.
func (d *daemon) kill() {
	d.t.Helper()
	d.cmd.Process.Kill()
	d.awaitGone()
}

// awaitGone waits until the server has ended in any way, and closed its log.
func (d *daemon) awaitGone() {
	d.t.Helper()
	select {
	case <-d.exited:
	case <-time.After(patience):
		d.t.Fatalf("the server was killed, and its log has no end within %v:\n%s", patience, d.log())
	}
}

func (d *daemon) status() control.Status {
	d.t.Helper()
	s, err := d.client.Status(patient(d.t))
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *daemon) plugin(name string) sohost.PluginStatus {
	d.t.Helper()
	for _, p := range d.status().Plugins {
		if p.Name == name {
			return p
		}
	}
	d.t.Fatalf("status has no plugin %s", name)
	return sohost.PluginStatus{}
}

// get returns the body of a successful answer and the generation that gave it.
func (d *daemon) get(path string) (body, generation string) {
	d.t.Helper()
	resp, err := impatient.Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatalf("GET %s: %s, %v: %s", path, resp.Status, err, b)
	}
	return strings.TrimSpace(string(b)), resp.Header.Get(sohost.GenerationHeader)
}
