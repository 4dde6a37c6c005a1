package packaging

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/sohost/sohost"

// TestGoInstall installs a tagged version as `go install MODULE@VERSION` does from a module proxy, and makes a plugin with it.
func TestGoInstall(t *testing.T) {
	wanted(t)
	t.Parallel()
	const version = "v1.998.0"
	source, bin := cloned(t), t.TempDir()
	tag(t, source, version)
	cached := strings.TrimSpace(run(t, exec.Command("go", "env", "GOMODCACHE")))
	cmd := exec.Command("go", "install", "-trimpath", module+"/cmd/sohost@"+version)
	cmd.Dir = bin
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-modcacherw", "GOMODCACHE="+t.TempDir(),
		"GOSUMDB=off", // what the cache has was verified when it got there
		"GOPROXY=file://"+proxy(t, source, version)+",file://"+cached+"/cache/download")
	run(t, cmd)

	program := filepath.Join(bin, "sohost")
	if out := run(t, exec.Command(program, "version")); !strings.Contains(out, version+"\n") {
		t.Errorf("another version than %s: %s", version, out)
	}
	for _, args := range [][]string{{"new", "greeter"}, {"build", "./greeter"}, {"check", "build/plugins/greeter.so"}} {
		cmd := exec.Command(program, args...)
		cmd.Dir = bin
		run(t, cmd)
	}
}

// proxy returns a folder with what a module proxy has of a version: a zip of the tagged commit without the modules in it.
func proxy(t *testing.T, source, version string) string {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, "cache", module, "@v")
	archive := []string{"-C", source, "archive", "--format=zip", "--prefix=" + module + "@" + version + "/",
		"--output=" + filepath.Join(at, version+".zip"), version, "--", "."}
	for file := range strings.Lines(run(t, exec.Command("git", "-C", source, "ls-files", "*/go.mod"))) {
		archive = append(archive, ":(exclude)"+path.Dir(strings.TrimSpace(file)))
	}
	run(t, exec.Command("install", "-D", "-m", "644", filepath.Join(source, "go.mod"), filepath.Join(at, version+".mod")))
	run(t, exec.Command("git", archive...))
	for name, text := range map[string]string{"list": version + "\n", version + ".info": `{"Version":"` + version + `"}`} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cache")
}
