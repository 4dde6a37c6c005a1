package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/executable"
)

// A builder makes hosts and plugins. Its directory is that of the module; everything that it makes is below out.
type builder struct {
	dir, out string
	sohost   string // the command
}

func (b *builder) run(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return nil
}

func (b *builder) host(name string) string { return filepath.Join(b.out, "hosts", name) }

// buildHosts builds every program below hosts.
func (b *builder) buildHosts() error {
	if err := os.MkdirAll(b.host(""), 0o755); err != nil {
		return err
	}
	return b.run(nil, "go", "build", "-trimpath", "-ldflags=-w", "-o", b.host("")+"/", "./hosts/...")
}

// goBuild builds a plugin with the go command alone, with that environment and these flags.
func goBuild(env []string, flags ...string) func(b *builder, source, output string) error {
	return func(b *builder, source, output string) error {
		return b.run(env, "go", append(append([]string{"build", "-trimpath", "-ldflags=-w"}, flags...), "-o", output, source)...)
	}
}

// sohostBuild builds a plugin for the host of this project.
func sohostBuild(b *builder, source, output string) error {
	return b.run(nil, b.sohost, "build", "--host", b.host("sohost"), "-o", output, source)
}

const (
	workImport  = `"github.com/sohost/sohost/bench/work"`
	workImports = `"strings"`
)

// source writes the source of a plugin, one file, with the work in that version.
func (b *builder) source(a *artefact, version int) (string, error) {
	work, err := os.ReadFile(filepath.Join(b.dir, "work/work.go"))
	if err != nil {
		return "", err
	}
	text, name := withVersion(work, version), "work"
	if a.wrap {
		name = a.source
		wrapper, err := os.ReadFile(filepath.Join(b.dir, "plugins", name, "main.go"))
		if err != nil {
			return "", err
		}
		_, body, found := bytes.Cut(text, []byte("import "+workImports+"\n"))
		if !found || !bytes.Contains(wrapper, []byte(workImport)) {
			return "", fmt.Errorf("the source of %s doesn't fit around the work", name)
		}
		wrapper = bytes.Replace(wrapper, []byte(workImport), []byte(workImports), 1)
		text = append(bytes.ReplaceAll(wrapper, []byte("work."), nil), body...)
	}
	dir := filepath.Join(b.out, "_source", name) // with a name that ./... leaves out
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "main.go")
	return file, os.WriteFile(file, text, 0o644)
}

// withVersion returns source or program with another version of the work.
func withVersion(b []byte, version int) []byte {
	return bytes.ReplaceAll(b, []byte("version 0000000"), fmt.Appendf(nil, "version %07d", version))
}

// build returns a plugin with that version, and how long it took from the changed source to it. Nothing is built for the
// interpreter.
func (b *builder) build(a *artefact, version int) (file string, took time.Duration, err error) {
	source, err := b.source(a, version)
	if err != nil || a.build == nil {
		return source, 0, err
	}
	file = filepath.Join(b.out, "plugins", a.source)
	begin := time.Now()
	err = a.build(b, source, file)
	return file, time.Since(begin), err
}

// patched puts another version into a built plugin, without building, and returns the result.
func (b *builder) patched(file string, version int) (string, error) {
	plugin, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if !bytes.Contains(plugin, []byte("version 0000000")) {
		return "", fmt.Errorf("%s has no version", file)
	}
	file = fmt.Sprintf("%s-%d", file, version%2) // the one before may be running
	return file, executable.Write(file, withVersion(plugin, version))
}
