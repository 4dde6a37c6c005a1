package slim

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost/internal/goobj"
)

// TestFind looks for a symbol that several packages define, none of which its name says. It is always the same of them, or the image would
// be another each time.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	var packages []Package
	for i := range 8 {
		path := fmt.Sprintf("lib/p%d", i)
		compileText(t, dir, path, "-std=false", "package p\n\nimport _ \"unsafe\"\n\n//go:linkname f elsewhere.f\nfunc f() {}\n")
		packages = append(packages, Package{Path: path, Archive: filepath.Join(dir, fmt.Sprintf("lib_p%d.a", i))})
	}
	for range 20 {
		for _, asked := range []string{"", "lib/p5"} { // of which there is a table
			l := newLibrary(packages)
			if asked != "" {
				if _, err := l.symbolsOf(asked); err != nil {
					t.Fatal(err)
				}
			}
			if path, err := l.find(name{"elsewhere.f", goobj.ABIInternal}); path != "lib/p0" || err != nil {
				t.Fatalf("after %q, it is in %q, %v", asked, path, err)
			}
			if path, err := l.find(name{"elsewhere.g", goobj.ABIInternal}); path != "" || err != nil {
				t.Fatalf("what is nowhere is in %q, %v", path, err)
			}
		}
	}
}
