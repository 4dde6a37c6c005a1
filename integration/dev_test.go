package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/executable"
)

// developing is a `sohost dev` under test.
type developing struct {
	t      testing.TB
	cmd    *exec.Cmd
	lines  chan string // closed when it has ended
	exited chan struct{}
}

// develop starts `sohost dev` for a plugin and a server, with variables in its environment.
func develop(t testing.TB, s *source, p place, env ...string) *developing {
	t.Helper()
	cmd := exec.Command(tool, "dev", "--host", server, "--output", filepath.Join(p.plugins, s.name+".so"), "--control", p.control, s.dir)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), env...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = w, w, patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &developing{t: t, cmd: cmd, lines: make(chan string, 1000), exited: make(chan struct{})}
	go func() {
		cmd.Wait()
		w.Close()
	}()
	go func() {
		defer close(d.exited)
		defer close(d.lines)
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			d.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		for range d.lines {
		}
		<-d.exited
	})
	return d
}

// await returns the next line that contains a text.
func (d *developing) await(text string) string {
	d.t.Helper()
	timeout := time.After(patience)
	var seen []string
	for {
		select {
		case line, ok := <-d.lines:
			if !ok {
				d.t.Fatalf("sohost dev ended before %q; it said:\n%s", text, strings.Join(seen, "\n"))
			}
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		case <-timeout:
			d.t.Fatalf("sohost dev doesn't say %q, but:\n%s", text, strings.Join(seen, "\n"))
		}
	}
}

// interrupt sends SIGINT, as ctrl-C does, and waits for a clean end.
func (d *developing) interrupt() {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGINT)
	timeout := time.After(patience)
	for ended := false; !ended; {
		select {
		case _, ok := <-d.lines:
			ended = !ok
		case <-timeout:
			d.t.Fatalf("sohost dev doesn't end within %v of SIGINT", patience)
		}
	}
	<-d.exited
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.t.Errorf("sohost dev exits with %d", code)
	}
}

// TestDev saves a plugin's source in the ways that editors do while a server serves it.
func TestDev(t *testing.T) {
	t.Parallel()
	src := newSource(t, "hello")
	src.write("names/names.go", "package names\n\nfunc World() string { return \"world\" }\n")
	src.edit("hello.go", `"net/http"`, "\"net/http\"\n\n\t\"example.com/hello/names\"")
	src.edit("hello.go", `"%s from`, `"%s "+names.World()+" from`)
	p := newPlace(t)
	server := p.start(t, "--plugins", p.plugins)
	dev := develop(t, src, p)
	answers := func(want string) {
		t.Helper()
		if body, _ := server.get("/hello"); !strings.HasPrefix(body, want+" from generation") {
			t.Errorf("the server answers %q, want %q", body, want)
		}
	}

	// The server takes the plugin up without ever having heard of it.
	line := dev.await(" live: ")
	answers("hello world")
	for _, want := range []string{"hello", "build ", "reload "} {
		if !strings.Contains(line, want) {
			t.Errorf("%q doesn't mention %q", line, want)
		}
	}

	// One line, saved.
	src.edit("hello.go", `greeting = "hello"`, `greeting = "hi"`)
	if line := dev.await(" live: "); !strings.Contains(line, "after the save") {
		t.Errorf("%q doesn't say how long it took", line)
	}
	answers("hi world")

	// A sub-package, saved as editors do that write another file and rename it.
	tmp := filepath.Join(src.dir, "names", ".names.go.swp")
	if err := os.WriteFile(tmp, []byte("package names\n\nfunc World() string { return \"moon\" }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(src.dir, "names", "names.go")); err != nil {
		t.Fatal(err)
	}
	dev.await(" live: ")
	answers("hi moon")

	// A slip: it is shown where it is, the old code goes on, and mending it is enough.
	src.edit("hello.go", "func main() {}", "func main() {")
	if line := dev.await("hello.go:"); !strings.Contains(line, "syntax error") {
		t.Errorf("of a syntax error it says %q", line)
	}
	dev.await("not built; the current code keeps serving")
	answers("hi moon")
	src.edit("hello.go", `greeting = "hi"`, `greeting = "good day"`)
	src.edit("hello.go", "func main() {", "func main() {}") // before this one nothing can be built
	dev.await(" live: ")
	answers("good day moon")

	// What comes to import something new is watched there, too.
	src.write("more/more.go", "package more\n\nconst End = \"!\"\n")
	src.edit("hello.go", `"example.com/hello/names"`, "\"example.com/hello/more\"\n\t\"example.com/hello/names\"")
	src.edit("hello.go", `names.World()+`, `names.World()+more.End+`)
	for line := dev.await(""); !strings.Contains(line, " live: "); line = dev.await("") {
	} // between two saves a build may see half of the change
	answers("good day moon!")
	src.write("more/more.go", "package more\n\nconst End = \"?\"\n")
	dev.await(" live: ")
	answers("good day moon?")
	dev.interrupt()
}

// TestDevManySaves saves ten times within what one build takes. Few builds follow, and the last text wins.
func TestDevManySaves(t *testing.T) {
	t.Parallel()
	src := newSource(t, "hello")
	p := newPlace(t)
	d := p.start(t, "--plugins", p.plugins)
	dev := develop(t, src, p)
	dev.await(" live: ")
	for i := range 10 {
		src.write("text.go", fmt.Sprintf("package main\n\nvar text = \"text %d\"\n", i))
		if i == 0 {
			src.edit("hello.go", "greeting, host", "text, host")
		}
		time.Sleep(30 * time.Millisecond) // the pace of the saves
	}
	builds := 0
	for {
		line := dev.await("")
		if strings.Contains(line, " live: ") || strings.Contains(line, "not built") {
			builds++
		}
		if body, _ := d.get("/hello"); strings.HasPrefix(body, "text 9 ") {
			break
		}
	}
	if builds > 4 {
		t.Errorf("10 saves led to %d builds", builds)
	}
	dev.interrupt()

	// Nothing else came after the last text: what serves is what was built last.
	_, serves := d.get("/hello")
	if built := short(t, filepath.Join(p.plugins, "hello.so")); serves != built {
		t.Errorf("%s serves, the image is %s", serves, built)
	}
	for _, e := range history(t, d) {
		if e.Kind == generations.KindRefuse {
			t.Errorf("refused: %s", e.Detail)
		}
	}
}

// TestDevSaveIsUndone saves another text just before a file is compiled, and the first one again just after. The image has the other text
// then, while the file is what it was when the build began.
func TestDevSaveIsUndone(t *testing.T) {
	t.Parallel()
	src := newSource(t, "hello")
	file, dir := filepath.Join(src.dir, "hello.go"), t.TempDir()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"first":  string(text),
		"second": strings.Replace(string(text), `greeting = "hello"`, `greeting = "hi"`, 1),
		"bin/go": fmt.Sprintf(`#!/bin/sh
if [ "$1" != build ] || ! mv %[2]q/second %[3]q 2>/dev/null; then
	exec %[1]q "$@"
fi
%[1]q "$@"
code=$?
mv %[2]q/first %[3]q
exit $code
`, real, dir, file),
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := executable.Write(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	p := newPlace(t)
	server := p.start(t, "--plugins", p.plugins)
	dev := develop(t, src, p, "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	dev.await(" live: ")
	dev.await(" live: ")
	if body, _ := server.get("/hello"); !strings.HasPrefix(body, "hello from generation") {
		t.Errorf("the server answers %q", body)
	}
}

func history(t *testing.T, d *daemon) []generations.Event {
	t.Helper()
	events, err := d.client.History(patient(t), 100)
	if err != nil {
		t.Fatal(err)
	}
	return events
}
