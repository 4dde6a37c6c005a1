package main

import (
	"strings"
	"testing"

	"github.com/sohost/sohost"
)

// TestPrintSharing prints a line for each group of plugins, with as many packages as there is room for.
func TestPrintSharing(t *testing.T) {
	var out strings.Builder
	printSharing(&out, []sohost.Sharing{
		{Plugins: []string{"p", "q", "r"}, Packages: []string{"a", "b", "c", "d", "e", "f", "g"}}, {Plugins: []string{"q", "r"}, Packages: []string{"keep"}},
	})
	want := "\np, q and r share, variables included: a b c d e and 2 more\n\nq and r share, variables included: keep\n"
	if out.String() != want {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
