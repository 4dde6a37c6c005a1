package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
)

// module is the module that package abi belongs to.
const module = "github.com/sohost/sohost"

// contractGo is the Go release whose language the contract is written in. It is as early as can be, because it is a lower limit
// for every module that has a copy. Package abi has no loops, whose meaning changed in Go 1.22.
const contractGo = "1.18"

// A contractCopy is a module in the directory .sohost of another module that holds only package abi and what is below it. The go
// command ignores directories whose names start with a dot, so no ./... pattern matches it.
type contractCopy struct {
	GoMod   string `json:"go_mod"` // of the module that has the copy
	Dir     string `json:"dir"`
	Changed bool   `json:"changed"` // false: it was there, as it should be
}

// moduleOf returns the go.mod file in force in a directory, or "" if it belongs to no module. The directory need not exist yet.
func moduleOf(ctx context.Context, dir string) (string, error) {
	dir, err := existing(dir)
	if err != nil {
		return "", err
	}
	out, err := goOutput(ctx, dir, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if name := strings.TrimSpace(string(out)); name != os.DevNull {
		return name, nil
	}
	return "", nil
}

// existing returns the directory, or the nearest one above that exists.
func existing(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir, nil
		}
		dir = filepath.Dir(dir)
	}
}

// abiInReach reports whether a package in the directory could import package abi.
func abiInReach(ctx context.Context, dir string) bool {
	_, err := goOutput(ctx, dir, "list", "-find", module+"/abi")
	return err == nil
}

// goModFile is what is of interest in a go.mod file, as `go mod edit -json` prints it.
type goModFile struct {
	Module  struct{ Path string }
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// putContract gives a module the contract of this program, or renews its copy. It refuses if the module has package abi from
// elsewhere. After an error there is no copy, or a whole one.
func putContract(ctx context.Context, goMod string) (*contractCopy, error) {
	root := filepath.Dir(goMod)
	out, err := goOutput(ctx, root, "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	var m goModFile
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("read %s: %w", goMod, err)
	}
	c := &contractCopy{GoMod: goMod, Dir: filepath.Join(root, build.ContractDir)}
	if m.Module.Path == module {
		return nil, fmt.Errorf("%s is the contract's own module, which needs no copy", goMod)
	}
	known := false
	for _, r := range m.Replace {
		if r.Old.Path != module {
			continue
		}
		if known = r.New.Version == "" && filepath.Base(r.New.Path) == build.ContractDir; !known {
			return nil, fmt.Errorf("%s replaces %s by %s, which is no copy of the contract; nothing is changed", goMod, module, r.New.Path)
		}
		if c.Dir = r.New.Path; !filepath.IsAbs(c.Dir) {
			c.Dir = filepath.Join(root, c.Dir)
		}
	}
	if !known && abiInReach(ctx, root) {
		return nil, fmt.Errorf("%s can import %s/abi already, and not from a copy; nothing is changed", goMod, module)
	}
	if c.Changed, err = writeContract(c.Dir); err != nil || known {
		return c, err
	}
	edit := []string{"mod", "edit", "-replace=" + module + "=./" + build.ContractDir}
	required := false
	for _, r := range m.Require {
		required = required || r.Path == module
	}
	if !required {
		edit = append(edit, "-require="+module+"@v0.0.0")
	}
	if _, err := goOutput(ctx, root, edit...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.Dir))
	}
	return c, nil
}

// writeContract makes the directory hold a module with the contract and nothing else. changed is false if it did.
func writeContract(dir string) (changed bool, err error) {
	next, old := dir+".new", dir+".old"
	if err := os.RemoveAll(next); err != nil {
		return false, err
	}
	defer os.RemoveAll(next) // gone, unless something has failed
	if err := writeContractFiles(next); err != nil {
		return false, err
	}
	if same, err := sameFiles(dir, next); err != nil || same {
		return false, err
	}
	if err := os.RemoveAll(old); err != nil {
		return false, err
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.Rename(next, dir); err != nil {
		return false, err
	}
	return true, os.RemoveAll(old)
}

func writeContractFiles(dir string) error {
	source := sohost.ContractSource()
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(name, "_test.go") {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := fs.ReadFile(source, path.Clean(name))
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n\ngo "+contractGo+"\n"), 0o644)
}

// sameFiles reports whether both directories hold the same files. The first need not exist.
func sameFiles(dir, other string) (bool, error) {
	a, err := readTree(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b, err := readTree(other)
	if err != nil || len(a) != len(b) {
		return false, err
	}
	for name, content := range a {
		if found, ok := b[name]; !ok || !bytes.Equal(found, content) {
			return false, nil
		}
	}
	return true, nil
}

func readTree(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	tree := os.DirFS(dir)
	return files, fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(tree, name)
		return err
	})
}

// goOutput runs the go command in a directory.
func goOutput(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s: %s", args[0], strings.TrimPrefix(strings.TrimSpace(string(exit.Stderr)), "go: "))
	}
	if err != nil {
		return nil, fmt.Errorf("run the go command: %w", err)
	}
	return out, nil
}
