package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIncompleteVendor builds a plugin of a module as the go command fetches it: without its vendored packages, but with their list. What it
// is told to do helps.
func TestIncompleteVendor(t *testing.T) {
	f := unpack(t, "features")
	vendor := exec.Command("go", "mod", "vendor")
	vendor.Dir, vendor.Env = filepath.Join(f.dir, "plugin"), testEnv()
	if out, err := vendor.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder := filepath.Join(f.dir, "plugin", "vendor")
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "modules.txt" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	opts := f.options("./plugin")
	opts.Env = append(os.Environ(), "GOWORK=off")
	_, err = Build(context.Background(), opts)
	if !errors.Is(err, ErrCompile) || !strings.Contains(err.Error(), "remove the directory, or run go mod vendor") {
		t.Error(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	f.buildWith(opts)
}
