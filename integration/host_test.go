package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestHost plays the scenarios of testdata/scenario, each in a process of its own: a program that embeds the library does to
// it what no server does, and looks at the order in which a plugin is called.
func TestHost(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "scenario")
	var env []string
	if *arm64 {
		env = crossEnv()
	}
	if err := goBuild(repository, program, "./integration/testdata/scenario", env); err != nil {
		t.Fatal(err)
	}
	first := newSourceOf(t, "drill", filepath.Join("testdata", "drill")).buildFor(program)
	clones := newCloner(t, first, "example.com/drill")
	dir := t.TempDir()
	var images []string
	for i := range 5 {
		image := first
		if i > 0 {
			image = clones.clone(t)
		}
		named := filepath.Join(dir, short(t, image)+".so") // by which a scenario knows what serves
		if err := os.Rename(image, named); err != nil {
			t.Fatal(err)
		}
		images = append(images, named)
	}
	for _, name := range []string{
		"giveback", "cancel", "late", "again", "hammer", "retire", "prune", "rollback", "unwritten", "close", "held", "restore", "requests",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := command(patient(t), program, append([]string{name, t.TempDir()}, images...)...)
			cmd.Env = append(cmd.Environ(), "REPEATS="+strconv.Itoa(*repeats)) // of what is random
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
