package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// What built makes.
var (
	repository string // root of the module
	testFiles  string // removed at the end
	sohostFile string // sohost itself: plugins need a host that was built as the README says
	firstSo    string // an image of a plugin as `sohost new` writes it
	secondSo   string // one of the same plugin, changed
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(testFiles); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built has the program and two images built, for the tests that run them.
func built(t *testing.T) {
	t.Helper()
	if err := prepared(); err != nil {
		t.Fatal(err)
	}
}

var prepared = sync.OnceValue(prepare)

func prepare() (err error) {
	if repository, err = filepath.Abs("../.."); err != nil {
		return err
	}
	if testFiles, err = os.MkdirTemp("", "sohost-"); err != nil {
		return err
	}
	sohostFile = filepath.Join(testFiles, "bin", "sohost")
	args := []string{"go", "build", "-trimpath", "-o", sohostFile}
	if raceEnabled {
		args = append(args, "-race")
	}
	if err := command(repository, append(args, "./cmd/sohost")...); err != nil {
		return err
	}
	return buildImages()
}

func buildImages() error {
	if err := command(testFiles, sohostFile, "new", "greeter"); err != nil {
		return err
	}
	firstSo, secondSo = filepath.Join(testFiles, "first.so"), filepath.Join(testFiles, "second.so")
	if err := command(testFiles, sohostFile, "build", "-o", firstSo, "./greeter"); err != nil {
		return err
	}
	source := filepath.Join(testFiles, "greeter", "plugin.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	changed := strings.Replace(string(text), "request %d", "REQUEST %d", 1)
	if err := os.WriteFile(source, []byte(changed), 0o644); err != nil {
		return err
	}
	return command(testFiles, sohostFile, "build", "-o", secondSo, "./greeter")
}

func command(dir string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
