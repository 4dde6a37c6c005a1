// Package packaging tests what `make package` makes, as root on Debian: see the target test-package.
package packaging

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var packages = flag.Bool("packages", false, "make packages and install them; wants root, a mount namespace of its own, and Debian")

// hang is how long anything may take that hangs otherwise.
const hang = 3 * time.Minute

// wanted skips a test that wants more than Go and a C compiler.
func wanted(t *testing.T) {
	t.Helper()
	if !*packages {
		t.Skip("make test-package runs it, as root on Debian")
	}
}

// run returns what a command prints on standard output, and fails the test if the command does.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, stdout, stderr.Bytes())
	}
	return string(stdout)
}

// built is what `make package` makes.
type built struct{ dir string }

// make makes the packages of the commit that is checked out in source, for this machine's architecture only.
func (b built) make(t *testing.T, source string) {
	t.Helper()
	cmd := exec.Command("./package.sh")
	// The least compression takes the least time.
	cmd.Env = append(os.Environ(), "SOURCE="+source, "OUT="+b.dir, "ARCHITECTURES="+architecture(t), "DPKG_DEB_COMPRESSOR_LEVEL=0")
	run(t, cmd)
}

// file returns the one file that matches a pattern.
func (b built) file(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s in %s: %q, %v", pattern, b.dir, files, err)
	}
	return files[0]
}

func architecture(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(run(t, exec.Command("go", "env", "GOARCH")))
}

// cloned returns a clone of this repository, in which tests can tag versions.
func cloned(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sohost")
	run(t, exec.Command("git", "clone", "-q", "--shared", "..", dir))
	return dir
}

// tag makes a new commit with a tag, which the go command takes for its version.
func tag(t *testing.T, source, version string) {
	t.Helper()
	git := []string{"-C", source, "-c", "user.name=test", "-c", "user.email=test@example.com"}
	run(t, exec.Command("git", append(git, "commit", "-q", "--allow-empty", "-m", version)...))
	run(t, exec.Command("git", append(git, "tag", version)...))
}
