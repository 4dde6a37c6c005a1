package lineprotocol

import (
	"math"
	"math/rand/v2"
	"strconv"
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

// TestAppendFloat writes numbers with few decimals and with many, and compares them with what package strconv writes.
func TestAppendFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	same := func(f float64) {
		for _, f := range []float64{f, -f, math.Nextafter(f, math.Inf(1)), math.Nextafter(f, 0)} {
			if got, want := appendFloat(nil, f), strconv.FormatFloat(f, 'g', -1, 64); string(got) != want {
				t.Fatalf("%s is written as %s", want, got)
			}
		}
	}
	for n := range 20_000 {
		for _, power := range []float64{1, 10, 100, 1000, 10_000} {
			same(float64(n) / power)
			same(float64(r.Int64N(2_000_000_000)) / power)
		}
		same(math.Float64frombits(r.Uint64()))
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 0.0005, 0.0004999, 1e-4, 999999.999, 999999.9999, 1e6, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		same(f)
	}
}
