package build

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrapper runs the script as the go command and the linker do, with tools that print how they are called.
func TestWrapper(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's a \"folder\"")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "plan.json")
	program := func(name, text string) string {
		file := filepath.Join(dir, name)
		write(t, file, "#!/bin/sh\n"+text+"\n")
		if err := os.Chmod(file, 0o700); err != nil {
			t.Fatal(err)
		}
		return file
	}
	printing := `printf '<%s>' "${0##*/}" "$@"`
	wrapper := program("wrapper $HOME", printing+"; exit 7")
	if err := writeWrapper(plan, wrapper); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"compile", "asm", "link", "cgo", "pack"} {
		program(name, printing)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.Mkdir(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	program("broken/link", "exit 3")
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
		{[]string{"compile", "-p", "x", "-std", markFlag + "1:shared:", "f.go"},
			"<wrapper $HOME><toolexec><DIR/compile><-p><x><-std><" + markFlag + "1:shared:><f.go>", 7},
		{[]string{"compile", "-p", "x", "a  b.go"}, "<wrapper $HOME><toolexec><DIR/compile><-p><x><a  b.go>", 7},
		{[]string{"asm", "-p", "x"}, "<wrapper $HOME><toolexec><DIR/asm><-p><x>", 7},
		{[]string{"link", "-o", "x", "-V=full"}, "<wrapper $HOME><toolexec><DIR/link><-o><x><-V=full>", 7},
		{[]string{"link", ""}, "<wrapper $HOME><toolexec><DIR/link><>", 7},
	} {
		tool := filepath.Join(dir, test.args[0])
		out, err := exec.Command("/bin/sh", append([]string{scriptOf(plan), tool}, test.args[1:]...)...).Output()
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(test.want, "DIR", dir); string(out) != want || code != test.code {
			t.Errorf("%q: printed %q, exit code %d, want %q, %d", test.args, out, code, want, test.code)
		}
	}
	// The go command's quoting has no form for both kinds of quotes in one word.
	if _, err := toolexec(plan); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("a folder with both kinds of quotes: %v", err)
	}
	// The C linker's name is looked up, and what isn't there is an error of the shell.
	cmd := exec.Command("/bin/sh", scriptOf(plan), "pack", "x")
	cmd.Env = append(os.Environ(), "PATH="+dir)
	if out, err := cmd.Output(); err != nil || string(out) != "<pack><x>" {
		t.Errorf("looked up: %q, %v", out, err)
	}
	if out, err := exec.Command("/bin/sh", scriptOf(plan), filepath.Join(dir, "nothing"), "x").CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing") {
		t.Errorf("a tool that isn't there: %q, %v", out, err)
	}
}
