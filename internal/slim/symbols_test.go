package slim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSymbols looks up the symbols of a shared library by the hash table in its file, and others that it lacks.
func TestSymbols(t *testing.T) {
	var source strings.Builder
	source.WriteString("extern int elsewhere(void);\nint f(void) { return elsewhere(); }\n")
	for i := range 500 {
		fmt.Fprintf(&source, "int symbol%d;\n", i)
	}
	dir := t.TempDir()
	c, so := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.so")
	if err := os.WriteFile(c, []byte(source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-Wl,--hash-style=gnu", "-o", so, c).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h, err := ReadHost(so)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if h.symbols.hashes == nil {
		t.Fatal("the library has no table of hashes")
	}
	for name := range h.symbols.all() {
		if _, ok := h.symbol(name + "'"); ok {
			t.Errorf("%s' is found", name)
		}
	}
	slow := &symbols{table: h.symbols.table, text: h.symbols.text}
	slow.byName()
	if len(slow.names) < 501 {
		t.Fatalf("%d symbols", len(slow.names))
	}
	for name, want := range slow.names {
		if got, ok := h.symbol(name); !ok || got != want {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, want)
		}
	}
	if _, ok := h.symbol("elsewhere"); ok {
		t.Error("a symbol that the library refers to counts as its own")
	}
}
