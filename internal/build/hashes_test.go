package build

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHashCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	packages := map[string]string{"fmt": "one/two", "io": "three/four"}
	file := hashCache(packages)
	hashes := map[string][8]byte{"fmt": {1, 2}, "io": {3}}
	if got := readHashes(file); got != nil {
		t.Errorf("before any build: %v", got)
	}
	writeHashes(file, hashes)
	if diff := cmp.Diff(hashes, readHashes(file)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	packages["io"] = "three/five"
	if other := hashCache(packages); other == file {
		t.Error("another build id has the same file")
	}
	b := must(os.ReadFile(file))
	for i := range b {
		damaged := append([]byte(nil), b...)
		damaged[i] ^= 1
		write(t, file, string(damaged))
		if got := readHashes(file); got != nil && !cmp.Equal(got, hashes) {
			t.Fatalf("with byte %d damaged: %v", i, got)
		}
	}
	for i := range maxHashFiles + 50 {
		write(t, filepath.Join(filepath.Dir(file), fmt.Sprint(i)), "of earlier builds")
	}
	writeHashes(file, hashes)
	if n := len(must(os.ReadDir(filepath.Dir(file)))); n > maxHashFiles+1 {
		t.Errorf("%d files", n)
	}
	writeHashes("", hashes) // nowhere to keep them
}
