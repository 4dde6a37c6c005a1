package lineprotocol

import (
	"math"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// TestPlain writes rows that need no escapes, and such that do, in both ways: the library's word counts.
func TestPlain(t *testing.T) {
	texts := []string{"a", "web-1.example:80/x", "", "a b", "a,b", "a=b", "a\\b", "a\\", "a\"b", "ü", "\xff", "a\nb", "a\tb", "\x7f", "#a", "~!"}
	plain, all := 0, 0
	var tables []abi.Table
	var alone []byte
	for _, table := range texts {
		for _, name := range texts {
			for _, value := range texts {
				for at, ns := range []int64{1, -5, math.MaxInt64, math.MinInt64} {
					var b rows.Builder
					row := b.Row(table).Tag("k", "v").Tag(name, value).AtNano(ns)
					if at > 0 {
						row.Int("n", -1).Uint("u", math.MaxUint64).Float("f", 1e21).Bool("t", at == 1).String("s", value)
					}
					if at == 2 {
						row.Float("x", math.NaN())
					}
					for _, made := range b.Tables() {
						tables = append(tables, made)
						alone, _ = Append(alone, []abi.Table{made})
						all++
						if agrees(t, &made) {
							plain++
						}
					}
				}
			}
		}
	}
	if together, _ := Append(nil, tables); string(together) != string(alone) {
		t.Error("lines are others after others")
	}
	if plain < 100 || plain == all {
		t.Errorf("%d of %d tables are plain", plain, all)
	}
}

// agrees writes the first row of a table in both ways, and reports whether the quick one could write it.
func agrees(t *testing.T, made *abi.Table) bool {
	t.Helper()
	var e encoder
	e.tags, e.fields = columns(made)
	wantWritten, wantComplete := e.row(made, 0)
	want := string(e.line)
	if !e.named(made) {
		return false
	}
	written, complete, ok := e.plain(made, 0)
	if ok && (written != wantWritten || complete != wantComplete || written && string(e.line) != want) {
		t.Errorf("%+v: %q, %v, %v; the library has %q, %v, %v", made, e.line, written, complete, want, wantWritten, wantComplete)
	}
	return ok && written
}
