package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/executable"
)

// TestReproducible makes the packages of one commit again, in another folder, and compares them with those of `make package`.
func TestReproducible(t *testing.T) {
	wanted(t)
	t.Parallel()
	first, again := built{"../build/package"}, built{t.TempDir()}
	cmd := exec.Command("./package.sh")
	cmd.Env = append(os.Environ(), "OUT="+again.dir, "ARCHITECTURES="+architecture(t))
	run(t, cmd)
	sums := strings.Split(strings.TrimSpace(run(t, exec.Command("cat", filepath.Join(first.dir, "SHA256SUMS")))), "\n")
	for sum := range strings.Lines(run(t, exec.Command("cat", filepath.Join(again.dir, "SHA256SUMS")))) {
		if sum = strings.TrimSpace(sum); !slices.Contains(sums, sum) {
			t.Errorf("%s is another file than before", sum)
		}
	}
}

// TestPackageFails has a tool fail on the way: nothing is published, and what was there stays.
func TestPackageFails(t *testing.T) {
	wanted(t)
	t.Parallel()
	out, tools := t.TempDir(), t.TempDir()
	before := filepath.Join(out, "sohost-1-linux-amd64.tar.gz")
	for file, text := range map[string]string{before: "", filepath.Join(tools, "md5sum"): "#!/bin/sh\nexit 7\n"} {
		if err := executable.Write(file, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("./package.sh")
	cmd.Env = append(os.Environ(), "OUT="+out, "ARCHITECTURES="+architecture(t), "DPKG_DEB_COMPRESSOR_LEVEL=0",
		"PATH="+tools+":"+os.Getenv("PATH"))
	if text, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(text), "nothing was made") {
		t.Errorf("%v: %s", err, text)
	}
	if left := strings.TrimSpace(run(t, exec.Command("ls", out))); left != filepath.Base(before) {
		t.Errorf("there are %s", left)
	}
}

// TestLintian has Debian's checker look at the packages.
func TestLintian(t *testing.T) {
	wanted(t)
	t.Parallel()
	debs, err := filepath.Glob("../build/package/*.deb")
	if err != nil || len(debs) == 0 {
		t.Fatalf("%d packages, %v; make package makes them", len(debs), err)
	}
	out := run(t, exec.Command("lintian", append([]string{"--allow-root", "--pedantic", "--fail-on", "error,warning"}, debs...)...))
	if out != "" {
		t.Error(out)
	}
}

// TestBill finds every module in the bill of materials that the program was built from, and the program's version.
func TestBill(t *testing.T) {
	wanted(t)
	t.Parallel()
	b := built{"../build/package"}
	var bill struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(run(t, exec.Command("cat", b.file(t, "*"+architecture(t)+".cdx.json")))), &bill); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run(t, exec.Command("tar", "-C", dir, "--strip-components=1", "-xf", b.file(t, "*"+architecture(t)+".tar.gz")))
	has := map[string]string{bill.Metadata.Component.Name: bill.Metadata.Component.Version}
	for _, c := range bill.Components {
		has[c.Name] = c.Version
	}
	modules := 0
	for line := range strings.Lines(run(t, exec.Command("go", "version", "-m", filepath.Join(dir, "sohost")))) {
		if f := strings.Fields(line); len(f) > 2 && (f[0] == "dep" || f[0] == "mod") {
			modules++
			if has[f[1]] != f[2] {
				t.Errorf("%s %s: the bill has %q", f[1], f[2], has[f[1]])
			}
		}
	}
	if bill.BOMFormat != "CycloneDX" || modules < 5 || has["std"] == "" {
		t.Errorf("a bill of %q: %v", bill.BOMFormat, has)
	}
}
