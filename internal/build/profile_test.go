package build

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestProfile builds a slim image for a host that was optimized with a profile.
func TestProfile(t *testing.T) {
	long(t)
	dir := t.TempDir()
	profile := filepath.Join(dir, "cpu.pgo")
	f := must(os.Create(profile))
	if err := pprof.StartCPUProfile(f); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		strings.NewReplacer("a", "b").Replace(strings.Repeat("abc", 100))
	}
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := buildHost(dir, "-trimpath", "-pgo="+profile); err != nil {
		t.Fatal(err)
	}
	opts := unpack(t, "versions").options("./plugin")
	opts.Host = filepath.Join(dir, "host")
	_, err := Build(context.Background(), opts)
	if r := refusal(t, err, ErrHost); !strings.Contains(r.Remedy, "--pgo") {
		t.Errorf("without the profile: %v", err)
	}
	opts.PGO = profile
	r, err := Build(context.Background(), opts)
	if err != nil || !r.Slim {
		t.Fatalf("%+v, %v", r, err)
	}
	out, err := exec.Command(opts.Host, r.Output).CombinedOutput()
	if diff := cmp.Diff("first sub=a yaml=v3.0.0 own=1 lib=1\n", string(out)); err != nil || diff != "" {
		t.Errorf("%v; answers (-want +got):\n%s", err, diff)
	}
}
