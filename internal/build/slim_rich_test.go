package build

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSlimOnRichHost builds plugins that use much for a host that keeps what they need, and compares what slim and full images answer.
func TestSlimOnRichHost(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a large host; TestSlim does the same with a small one")
	}
	dir := t.TempDir()
	if err := buildHost(dir, "-trimpath", "-tags=rich"); err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(dir, "host")
	answers := func(images ...string) []string {
		cmd := exec.Command(host, images...)
		cmd.Env = append(cmd.Environ(), "GOGC=5", "GODEBUG=gccheckmark=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	for _, test := range []struct {
		fixture, pkg string
		ratio        int64 // of the sizes, at least; 0 for a plugin that needs what no host keeps
	}{{"torture", ".", 30}, {"features", "./plugin", 0}, {"gob", ".", 30}, {"asm", ".", 30}, {"versions", "./plugin", 5}} {
		t.Run(test.fixture, func(t *testing.T) {
			f := unpack(t, test.fixture)
			opts := f.options(test.pkg)
			opts.Host = host
			slim := f.buildWith(opts)
			opts = f.options(test.pkg)
			opts.Host, opts.Full = host, true
			full := f.buildWith(opts)
			if slim.Slim != (test.ratio > 0) || full.Slim || slim.Slim && (slim.Size*test.ratio > full.Size || !slices.Equal(slim.Along, []string{abiPath})) {
				t.Errorf("slim: %t, %s; %d bytes of %d; it brings %v", slim.Slim, slim.WhyFull, slim.Size, full.Size, slim.Along)
			}
			t.Logf("%d bytes of %d", slim.Size, full.Size)
			got, want := answers(slim.Output, "0", "0"), answers(full.Output, "0", "0")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers (-full +slim):\n%s", diff)
			}
		})
	}
}
