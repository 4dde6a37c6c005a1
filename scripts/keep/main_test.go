package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// written are the files that this program writes, and what they are written from.
var written = [][2]string{{"../../native/keep.go", "../../native/keep_api.go"}, {"../../native/std/std.go", "../../native/std/api.go"}}

// TestCurrent compares the files with the packages of the release that they are for, on this architecture: what only another one lacks
// is in package syscall.
func TestCurrent(t *testing.T) {
	if v, err := oldest(); err != nil || !strings.HasPrefix(runtime.Version(), "go"+v+".") {
		t.Skipf("the files are for go%s (%v)", v, err)
	}
	for _, w := range written {
		source, err := os.ReadFile(w[0])
		if err != nil {
			t.Fatal(err)
		}
		is, err := os.ReadFile(w[1])
		if err != nil {
			t.Fatal(err)
		}
		name, packages := listed(source)
		want, err := generate(name, packages, []string{runtime.GOARCH})
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(is), "\n")
		differs := false
		for line := range strings.Lines(string(want)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "\t// ") {
				differs = line == "\t// syscall" || line == "\t// runtime/cgo" // which differ between architectures, or without a C compiler for them
			}
			if !differs && !strings.HasPrefix(line, "//go:build") && !slices.Contains(lines, line) {
				t.Errorf("%s lacks %q: run go generate ./native/...", w[1], line)
			}
		}
	}
}

// TestGenerateConstraint keeps generic functions that only types with methods satisfy.
func TestGenerateConstraint(t *testing.T) {
	for _, test := range []struct{ packages, want string }{
		{"crypto/hkdf hash", "hold(p0.Extract[p1.Hash])"},
		{"crypto/hkdf", ""}, // the file doesn't import the package of the constraint
	} {
		text, err := generate("std", strings.Fields(test.packages), []string{runtime.GOARCH})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "Extract"); got != (test.want != "") || !strings.Contains(string(text), test.want) {
			t.Errorf("for %s: %s", test.packages, text)
		}
	}
}

// TestCurrentLinknames compares the file of the running release with its sources.
func TestCurrentLinknames(t *testing.T) {
	minor, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go1."), ".")
	is, err := os.ReadFile(filepath.Join("../../native/internal/linknames", linknamesFile(minor)))
	if err != nil {
		t.Fatalf("%v: run go generate ./native/internal/linknames", err)
	}
	want, err := generateLinknames(minor, arches)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != string(want) {
		t.Errorf("%s isn't what the sources of %s have: run go generate ./native/internal/linknames", linknamesFile(minor), runtime.Version())
	}
}

// What cmd/sohost grows by for packages that it doesn't use. The README's figures rest on it.
const (
	maxGrowth  = 6 << 20 // bytes
	minSymbols = 8000
)

// TestGrowth bounds what cmd/sohost grows by for packages that only plugins use, and shows that it has them.
func TestGrowth(t *testing.T) {
	if testing.Short() {
		t.Skip("it links two programs of 30 MB")
	}
	size, symbols := built(t, "")
	thinSize, thinSymbols := built(t, "sohost_thin")
	t.Logf("%d bytes and %d symbols; without native/std %d and %d", size, symbols, thinSize, thinSymbols)
	if size-thinSize > maxGrowth || symbols-thinSymbols < minSymbols {
		t.Errorf("it grows by %d bytes and %d symbols, at most %d and at least %d are expected", size-thinSize, symbols-thinSymbols, maxGrowth, minSymbols)
	}
}

func built(t *testing.T, tags string) (size int64, symbols int) {
	program := filepath.Join(t.TempDir(), "sohost")
	if out, err := exec.Command("go", "build", "-trimpath", "-tags", tags, "-o", program, "../../cmd/sohost").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size(), len(all)
}
