package build

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost/native"
)

// TestMold links with mold, whose code for calls changes a register in which Go has an argument: neither an image from here nor one that
// the go command makes gets as far as being loaded.
func TestMold(t *testing.T) {
	if _, err := exec.LookPath("ld.mold"); err != nil {
		t.Skipf("CI installs it: %v", err)
	}
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	opts.LDFlags = "-extldflags=-fuse-ld=mold"
	if _, err := Build(context.Background(), opts); !errors.Is(err, ErrNoTool) {
		t.Errorf("Build: %v", err)
	}
	image := filepath.Join(t.TempDir(), "plain.so")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=plugin", "-ldflags="+opts.LDFlags, "-o", image, "./plugin")
	cmd.Dir, cmd.Env = f.dir, opts.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := native.InspectFile(image)
	if err != nil {
		t.Fatal(err)
	}
	self, err := native.Self()
	if err != nil {
		t.Fatal(err)
	}
	if err := native.Check(info, self, native.Requirements{}); !errors.Is(err, native.MalformedImage) {
		t.Errorf("Check: %v", err)
	}
}
