package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDoctorAsOwner has root look at the store of another user: what counts is what that user's server would find.
func TestDoctorAsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look as another user")
	}
	built(t)
	dir, err := os.MkdirTemp("", "doctor-") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config, store := filepath.Join(dir, "sohost.toml"), filepath.Join(dir, "store")
	const nobody = 65534
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(store, 0o700), os.Chown(store, nobody, nobody), os.WriteFile(config, []byte("store = \"store\"\n"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	find := func() map[string]finding {
		var d diagnosis
		out, _ := exec.Command(sohostFile, "doctor", "--json", "--config", config).Output() // fails if it finds anything bad
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		found := map[string]finding{}
		for _, f := range d.Findings {
			if found[f.Check].Verdict != bad { // there may be a note, such as that the store is on tmpfs, besides
				found[f.Check] = f
			}
		}
		return found
	}
	if f := find(); f["store"].Verdict == bad || f["user"].Found != "65534" {
		t.Errorf("a store of nobody's: %+v", f)
	}
	if err := os.Chmod(store, 0o500); err != nil { // which doesn't keep root from writing there
		t.Fatal(err)
	}
	if f := find(); f["store"].Verdict != bad {
		t.Errorf("a store that its owner can't write to: %+v", f)
	}
}
