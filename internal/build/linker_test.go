package build

import (
	"context"
	"errors"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLinker links slim images with each linker; they answer alike.
func TestLinker(t *testing.T) {
	f := unpack(t, "versions")
	ids := map[string]string{}
	for _, name := range linkers {
		t.Run(name, func(t *testing.T) {
			if name != linkers[0] {
				long(t)
			}
			if _, err := exec.LookPath("ld." + name); err != nil {
				t.Skipf("CI installs it: %v", err)
			}
			opts := f.options("./plugin")
			opts.Linker = name
			r := f.buildWith(opts)
			if !r.Slim {
				t.Errorf("the image is full: %s", r.WhyFull)
			}
			if other := ids[r.Image]; other != "" {
				t.Errorf("the image is that of %s", other)
			}
			ids[r.Image] = name
			if diff := cmp.Diff([]string{"first sub=a yaml=v3.0.0 own=1 lib=1"}, load(t, r.Output)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if f.buildWith(opts).Changed {
				t.Error("built again, the image is another one")
			}
		})
	}
}

func TestLinkerRefused(t *testing.T) {
	for name, path := range map[string]string{"gold": "", "mold": t.TempDir()} {
		t.Setenv("PATH", path)
		if _, err := Build(context.Background(), Options{Linker: name}); !errors.Is(err, ErrFlags) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if name := FastLinker(); name != "" {
		t.Errorf("%s is the fastest of none", name)
	}
}
