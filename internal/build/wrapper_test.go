package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/internal/executable"
)

// scripted makes a wrapper's script in a folder with an awkward name, whose calls are answered by answer, and returns the folder and
// how a tool is run through the script.
func scripted(t *testing.T, answer func(call) (string, error)) (dir string, command func(args ...string) *exec.Cmd, end func()) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "it's a \"$folder\"")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := &wrapper{dir: dir}
	write(t, w.script(), fmt.Sprintf(wrapperScript, quoteShell(dir), scheme))
	var err error
	if w.ask, err = listen(dir, answer); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(w.close)
	t.Cleanup(end)
	// The go command's quoting has no form for both kinds of quotes in one word.
	if _, err := w.toolexec(); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("a folder with both kinds of quotes: %v", err)
	}
	return dir, func(args ...string) *exec.Cmd {
		return exec.Command("/bin/sh", append([]string{w.script()}, args...)...)
	}, end
}

// program writes a program of the shell into dir.
func program(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := executable.Write(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n")); err != nil {
		t.Fatal(err)
	}
}

// TestWrapper runs the script as the go command and the linker do, with tools that print how they are called.
func TestWrapper(t *testing.T) {
	dir, command, _ := scripted(t, func(c call) (string, error) {
		if slices.Contains(c.args, "refused") {
			return "", errors.New(`it's \n refused`)
		}
		if slices.Contains(c.args, "twice") {
			return "echo first\nask linked 'a b'\necho never", nil
		}
		if c.args[0] == linkedCommand {
			return "echo " + quoteShell(strings.Join(c.args, ",")) + "\nexit 4\n", nil
		}
		return execLine(c.args[0], append([]string{"answered", c.importPath, c.experiment, c.dir}, c.args[1:]...)), nil
	})
	printing := `printf '<%s>' "${0##*/}" "$@"`
	for _, name := range []string{"compile", "asm", "link", "cgo", "pack"} {
		program(t, dir, name, printing)
	}
	if err := os.Mkdir(filepath.Join(dir, "broken"), 0o700); err != nil {
		t.Fatal(err)
	}
	program(t, dir, "broken/link", "exit 3")
	here := must(os.Getwd())
	answered := func(tool string) string { return "<" + tool + "><answered><the package><exp><" + here + ">" }
	for _, test := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"compile", "-V=full"}, "<compile><-V=full>", 0},
		{[]string{"asm", "-V=full"}, "<asm><-V=full>", 0},
		{[]string{"cgo", "-V=full"}, "<cgo><-V=full>", 0},
		{[]string{"link", "-V=full"}, "<link><-V=full>+sohost" + scheme + "\n", 0},
		{[]string{"broken/link", "-V=full"}, "", 3},
		{[]string{"pack", "r", "a b", "*"}, "<pack><r><a b><*>", 0},
		{[]string{"compile", "-p", "x", "-std", "f.go"}, "<compile><-p><x><-std><f.go>", 0},
		{[]string{"compile", "-p", "x", "-std", markFlag + "1:shared:", "f.go"}, answered("compile") + "<-p><x><-std><" + markFlag + "1:shared:><f.go>", 0},
		{[]string{"compile", "-p", "x", "a  b.go"}, answered("compile") + "<-p><x><a  b.go>", 0},
		{[]string{"asm", "-p", `x'y\z` + "\n$HOME", ""}, answered("asm") + `<-p><x'y\z` + "\n$HOME><>", 0},
		{[]string{"link", "-o", "x", "-V=full"}, answered("link") + "<-o><x><-V=full>", 0},
		{[]string{"link", ""}, answered("link") + "<>", 0},
		{[]string{"broken/link", "x"}, "", 3},
		{[]string{"link", "refused"}, `sohost: it's \n refused` + "\n", 1},
		{[]string{"link", "twice"}, "first\nlinked,a b\n", 4},
	} {
		cmd := command(append([]string{filepath.Join(dir, test.args[0])}, test.args[1:]...)...)
		cmd.Env = append(os.Environ(), "TOOLEXEC_IMPORTPATH=the package", "GOEXPERIMENT=exp")
		out, err := cmd.CombinedOutput()
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if string(out) != test.want || code != test.code {
			t.Errorf("%q: printed %q, exit code %d, want %q, %d", test.args, out, code, test.want, test.code)
		}
	}
	// The C linker's name is looked up, and what isn't there is an error of the shell.
	cmd := command("pack", "x")
	cmd.Env = append(os.Environ(), "PATH="+dir)
	if out, err := cmd.Output(); err != nil || string(out) != "<pack><x>" {
		t.Errorf("looked up: %q, %v", out, err)
	}
	if out, err := command(filepath.Join(dir, "nothing"), "x").CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing") {
		t.Errorf("a tool that isn't there: %q, %v", out, err)
	}
}

// TestCallsAtOnce has many scripts ask at once, more in all than answers are ready. Each gets its own answer.
func TestCallsAtOnce(t *testing.T) {
	n, atOnce := 2*readyAnswers(), 4*runtime.GOMAXPROCS(0)
	_, command, _ := scripted(t, func(c call) (string, error) {
		return "echo " + quoteShell(strings.Join(c.args[1:], " ")) + "\n", nil
	})
	got, want := make([]string, n), make([]string, n)
	var running sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for i := range n {
		want[i] = fmt.Sprintln("number", i)
		turn <- struct{}{}
		running.Go(func() {
			defer func() { <-turn }()
			out, err := command("link", "number", fmt.Sprint(i)).CombinedOutput()
			if got[i] = string(out); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	running.Wait()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCallsEnd kills the process that answers while a script waits, and has another one ask afterwards: neither waits for ever.
func TestCallsEnd(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "toolexec.sh"), fmt.Sprintf(wrapperScript, quoteShell(dir), scheme))
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), listenEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	said := bufio.NewScanner(out)
	says := func(want string) {
		t.Helper()
		if !said.Scan() || said.Text() != want {
			t.Fatalf("the process that answers says %q, want %q", said.Text(), want)
		}
	}
	says("ready")
	ask := func() (*exec.Cmd, *bytes.Buffer) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		t.Cleanup(cancel)
		script, printed := exec.CommandContext(ctx, "/bin/sh", filepath.Join(dir, "toolexec.sh"), "link", "x"), new(bytes.Buffer)
		script.Stdout, script.Stderr = printed, printed
		if err := script.Start(); err != nil {
			t.Fatal(err)
		}
		return script, printed
	}
	waiting, printed := ask()
	says("asked")
	cmd.Process.Kill()
	late, latePrinted := ask()
	for script, printed := range map[*exec.Cmd]*bytes.Buffer{waiting: printed, late: latePrinted} {
		if err := script.Wait(); err == nil || printed.String() != "sohost build has ended\n" {
			t.Errorf("%v: %s", err, printed)
		}
	}
}

// TestCallsRefused has a script ask where nothing can be written.
func TestCallsRefused(t *testing.T) {
	script := filepath.Join(t.TempDir(), "toolexec.sh")
	write(t, script, fmt.Sprintf(wrapperScript, "/nonexistent", scheme))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "/bin/sh", script, "link", "x").CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing can be written into /nonexistent") {
		t.Errorf("%v: %s", err, out)
	}
}

// listenEnv names the variable with the folder in which the test binary listens, and answers nothing, instead of running tests.
const listenEnv = "SOHOST_TEST_LISTEN"

func listenForever(dir string) error {
	if _, err := listen(dir, func(call) (string, error) {
		fmt.Println("asked")
		select {}
	}); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}
