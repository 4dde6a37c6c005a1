package integration

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sohost/sohost/generations"
)

// cli runs a sohost command that must succeed and returns what it prints.
func cli(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(patient(t), tool, args...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("sohost %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

// short returns the id of the image in a file, as people read it.
func short(t testing.TB, file string) string {
	t.Helper()
	return imageID(t, file).Short()
}

func imageID(t testing.TB, file string) generations.ID {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}
