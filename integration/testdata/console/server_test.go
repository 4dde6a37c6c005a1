package browser_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	sohost     = flag.String("sohost", "../../../build/sohost", "the `program` under test")
	axe        = flag.String("axe", "../../../build/axe/package/axe.min.js", "the `file` axe.min.js of axe-core")
	shots      = flag.String("shots", "../../../build/console", "the `folder` for pictures of all views")
	pictures   = flag.String("pictures", "", "a `folder` for the README's pictures")
	repository = "../../.."
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// server is a `sohost run` under test.
type server struct {
	t                       *testing.T
	dir, url, console, sock string
	program                 string
	log                     *journal
}

// journal collects what a server prints.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *journal) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *journal) find(pattern *regexp.Regexp) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := pattern.FindSubmatch(l.text.Bytes()); m != nil {
		return string(m[1])
	}
	return ""
}

// start serves the images in a plugins directory that fill has filled.
func start(t *testing.T, fill func(plugins string), config string, args ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "console-") // t.TempDir is too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := filepath.Abs(*sohost)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, sock: filepath.Join(dir, "c.sock"), program: program, log: new(journal)}
	if err := os.Mkdir(s.file("plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	fill(s.file("plugins"))
	s.write("sohost.toml", config)
	cmd := exec.Command(program, append([]string{"run", "--config", s.file("sohost.toml"), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0",
		"--store", s.file("store"), "--control", s.sock, "--plugins", s.file("plugins")}, args...)...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if cmd.Wait(); t.Failed() {
			t.Log(s.log.text.String())
		}
	})
	s.console = s.logged(`console +url=(\S+?)/?\n`)
	s.url = s.logged(`serving +url=(\S+)`)
	return s
}

func (s *server) file(name string) string { return filepath.Join(s.dir, name) }

// logged waits for a line of the log and returns what the pattern's group matches.
func (s *server) logged(pattern string) string {
	s.t.Helper()
	compiled := regexp.MustCompile(pattern)
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if found := s.log.find(compiled); found != "" {
			return found
		}
	}
	s.t.Fatalf("the log has no line %s:\n%s", pattern, s.log.text.String())
	return ""
}

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// run runs sohost.
func (s *server) run(args ...string) {
	s.t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Env = append(os.Environ(), "SOHOST_CONTROL="+s.sock)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("sohost %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// source writes a version of a plugin's source, which is a package of a module of its own.
func source(t *testing.T, plugin, version, dir string) {
	t.Helper()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", plugin, plugin+".go"))
	if err != nil {
		t.Fatal(err)
	}
	mod := fmt.Sprintf("module example.com/%s\n\ngo 1.26.0\n\nrequire github.com/sohost/sohost v0.0.0\n\nreplace github.com/sohost/sohost => %s\n", plugin, root)
	text = bytes.Replace(text, []byte(`version = "v1"`), []byte(`version = "`+version+`"`), 1)
	for name, text := range map[string][]byte{"go.mod": []byte(mod), plugin + ".go": text} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// built builds a version of a plugin, once.
func built(t *testing.T, plugin, version string) (file string) {
	t.Helper()
	program, err := filepath.Abs(*sohost)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(builds, plugin+"-"+version+".so")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	dir := filepath.Join(builds, plugin+"-"+version)
	source(t, plugin, version, dir)
	cmd := exec.Command(program, "build", "-o", file, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", plugin, err, out)
	}
	return file
}

// copyTo copies a file so that it appears at once and whole.
func copyTo(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".new", text, 0o644)
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// load calls a path until it is stopped, which returns how many calls were made and how many have failed.
func (s *server) load(path string, callers int) (stop func() (calls, failed int64)) {
	ctx, cancel := context.WithCancel(context.Background())
	var calls, failed atomic.Int64
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			time.Sleep(time.Duration(n) * 5 * time.Millisecond) // or all return at once, and none waits for another
			for ctx.Err() == nil {
				resp, err := http.Get(s.url + path)
				if calls.Add(1); err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				if err == nil {
					resp.Body.Close()
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() (int64, int64) { cancel(); all.Wait(); return calls.Load(), failed.Load() }
}

var builds string // a folder for images

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if builds, err = os.MkdirTemp("", "console-images-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(builds)
	os.Exit(code)
}
