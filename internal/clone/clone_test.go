package clone

import (
	"bytes"
	"strings"
	"testing"
)

// TestClone makes clones that differ from each other in the id alone, and have its hash.
func TestClone(t *testing.T) {
	const id = "JenkjHwXfabc"
	image := []byte("p_g" + id + ".init p_g" + id + ".New " + id)
	c, err := New(image, "_g", id)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{id: true}
	for range 100 {
		clone, other := c.Clone()
		if seen[other] || len(other) != len(id) || hash(other) != hash(id) {
			t.Fatalf("id %q for %q", other, id)
		}
		seen[other] = true
		if want := strings.ReplaceAll(string(image), "_g"+id, "_g"+other); string(clone) != want || bytes.Equal(clone, image) {
			t.Fatalf("got %q, want %q", clone, want)
		}
	}
	if _, err := New(image, "_g", "anotherid123"); err == nil {
		t.Error("an id that the image doesn't have")
	}
}
