package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFind lists all changes of a small file.
func TestFind(t *testing.T) {
	const src = `package p

func f(a, b int, ok bool) (int, error) {
	for !ok || a < b {
		a++
	}
	if ok {
		defer g()
	}
	if err := g(); err != nil {
		h.log.Warn("not g", "same", a == b)
		return 0, err
	}
	_ = ok
	h.field = append(h.field,
		a)
	x := a
	return x, fmt.Errorf("%d", x)
}
`
	want := []string{
		"4 logic: for !ok || a < b { → for !ok && a < b {",
		"4 condition: for !ok || a < b { → for !(!ok || a < b) {",
		"4 comparison: for !ok || a < b { → for !ok || a >= b {",
		"4 boundary: for !ok || a < b { → for !ok || a <= b {",
		"5 removed: a++ → (nothing)",
		"7 condition: if ok { → if !(ok) {",
		"8 removed: defer g() → (nothing)",
		"10 error dropped: if err := g(); err != nil { → if err := g(); err != nil && false {",
		"12 error dropped: return 0, err → return 0, nil",
		"15 removed: h.field = append(h.field, → (nothing)",
		`18 error dropped: return x, fmt.Errorf("%d", x) → return x, nil`,
	}
	found, err := find("p.go", []byte(src), false)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, c := range found {
		got[strings.TrimPrefix(c.String(), "p.go:")] = true
		if strings.Count(string(c.source), "\n") != strings.Count(src, "\n") {
			t.Errorf("%s: the file has another number of lines", c)
		}
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("missing: %s", w)
		}
		delete(got, w)
	}
	for g := range got {
		t.Errorf("unexpected: %s", g)
	}
	logs, err := find("p.go", []byte(src), true)
	if err != nil {
		t.Fatal(err)
	}
	if len(logs) != len(found)+2 { // the statement, and the comparison in it
		t.Errorf("with logs: %d changes, want %d", len(logs), len(found)+2)
	}
}

// TestRun measures a package in which every outcome occurs: noticed, timed out, survived, doesn't compile.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"p/p.go": `package p

var calls int

func Sum(n int) (sum int) {
	for n != 0 {
		sum += n
		n--
	}
	calls++
	return
}

func Fail() bool {
	panic("never called, and without it a return is missing")
}
`,
		"p/p_test.go": `package p

import "testing"

func TestSum(t *testing.T) {
	if got := Sum(4); got != 10 {
		t.Error(got)
	}
}
`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out, log strings.Builder
	if err := run(t.Context(), []string{"-v", "-p", "2", "-timeout", "2s", "./p"}, &out, &log); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"noticed             p/p.go:6 comparison: for n != 0 { → for n == 0 {",
		"noticed             p/p.go:7 removed: sum += n → (nothing)",
		"noticed: timed out  p/p.go:8 removed: n-- → (nothing)",
		"SURVIVED            p/p.go:10 removed: calls++ → (nothing)",
		`does not compile    p/p.go:15 removed: panic("never called, and without it a return is missing") → (nothing)`,
	} {
		if !strings.Contains(log.String(), want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if s := out.String(); !strings.HasPrefix(s, "p 3 of 4 noticed (75 %) in ") ||
		!strings.HasSuffix(s, " s\n  p/p.go:10 removed: calls++ → (nothing)\n") {
		t.Errorf("got %q", out.String())
	}
	if t.Failed() {
		t.Logf("log:\n%s", &log)
	}

	out.Reset()
	log.Reset()
	if err := run(t.Context(), []string{"-run", "TestNone", "./p"}, &out, &log); err != nil || out.Len() > 0 {
		t.Errorf("without tests: %q, %v", &out, err)
	}
	if want := "example.com/m/p: no tests to run\n"; log.String() != want {
		t.Errorf("without tests: got %q, want %q", &log, want)
	}
	if err := run(t.Context(), nil, io.Discard, io.Discard); err != errUsage {
		t.Errorf("without a package: %v", err)
	}
}
