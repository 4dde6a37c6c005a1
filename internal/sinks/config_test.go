package sinks

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost/abi/rows"
)

// TestSet writes to all sinks, to one of them, and to none.
func TestSet(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name+".lp") }
	s, err := Open(map[string]Config{"a": {Kind: "file", Path: path("a")}, "b": {Kind: "file", Path: path("b")}}, dir, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	want := map[string]string{}
	for _, to := range [][]string{nil, {"b"}, {}} {
		var b rows.Builder
		b.Row("t").Int("n", int64(len(to))).AtNano(1)
		if err := s.Write(t.Context(), to, b.Tables()); (err != nil) != (to != nil && len(to) == 0) {
			t.Errorf("to %v: %v", to, err)
		}
	}
	want["a"], want["b"] = "t n=0i 1\n", "t n=0i 1\nt n=1i 1\n"
	for name := range want {
		if got, err := os.ReadFile(path(name)); string(got) != want[name] {
			t.Errorf("%s has %q, %v, want %q", name, got, err, want[name])
		}
	}
}
