package lineprotocol

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

func read(text string) Parsed {
	return Parse([]byte(text), Options{Precision: Nanosecond, Now: time.Unix(0, 77), MaxErrors: 100})
}

func TestParse(t *testing.T) {
	got := read("# a comment\n\ncpu,host=a usage=1.5,n=2i 10\nmem free=3u\ncpu,host=b ok=t,text=\"x y\" 20\n")
	want := []abi.Table{
		{Name: "cpu", Times: []int64{10, 20}, Columns: []abi.Column{
			{Name: "host", Kind: abi.Tag, Strings: []string{"a", "b"}},
			{Name: "usage", Kind: abi.Float, Floats: []float64{1.5, 0}, Absent: []uint64{2}},
			{Name: "n", Kind: abi.Int, Ints: []int64{2, 0}, Absent: []uint64{2}},
			{Name: "ok", Kind: abi.Bool, Bools: []bool{false, true}, Absent: []uint64{1}},
			{Name: "text", Kind: abi.String, Strings: []string{"", "x y"}, Absent: []uint64{1}},
		}},
		{Name: "mem", Times: []int64{77}, Columns: []abi.Column{{Name: "free", Kind: abi.Uint, Uints: []uint64{3}}}},
	}
	if !reflect.DeepEqual(got.Tables, want) || got.Rows != 3 || got.Errors != 0 {
		t.Errorf("it read %+v", got)
	}
}

// TestSparse reads texts whose tables would take far more memory than values: a new field in each line, one line with many fields before many
// lines, many such tables, a table in each line, and a line that has fields alone. The lines that there is no room for are named, and the others stay.
func TestSparse(t *testing.T) {
	var each, wide, many, tables, fields strings.Builder
	for i := range 4_000 {
		fmt.Fprintf(&each, "t f%d=1 1\n", i)
		fmt.Fprintf(&many, "t%d f%d=1 1\n", i/1500, i)
	}
	fields.WriteString("t f=1")
	for i := range 90_000 {
		fmt.Fprintf(&tables, "t%d f=1 1\n", i)
	}
	for i := range 250_000 {
		fmt.Fprintf(&fields, ",f%d=1", i)
	}
	wide.WriteString("t f=1")
	for i := range 10_000 {
		fmt.Fprintf(&wide, ",f%d=1", i)
	}
	wide.WriteString(" 1\n")
	for range 1_000 {
		wide.WriteString("t f9999=1 2\n")
	}
	for name, text := range map[string]string{
		"each": each.String(), "wide": wide.String(), "many": many.String(), "tables": tables.String(), "fields": fields.String() + "\n",
	} {
		got := read(text + "t f0=1 3\n")
		places := 0
		for _, table := range got.Tables {
			places += len(table.Times) * len(table.Columns)
			places += 32 + 16*len(table.Columns)
		}
		lines := strings.Count(text, "\n") + 1
		if places > mostPlaces || name != "fields" && places < mostPlaces/2 || got.Rows+got.Errors != lines || len(got.Bad) == 0 || !errors.Is(got.Bad[0].Err, rows.ErrSparse) {
			t.Errorf("%s: %d places, %d rows and %d errors of %d lines: %v", name, places, got.Rows, got.Errors, lines, got.Bad[:min(1, len(got.Bad))])
		}
	}
	dense := strings.Repeat("t a=1,b=2,c=3 1\n", 200_000)
	if got := read(dense); got.Errors > 0 || got.Rows != 200_000 {
		t.Errorf("a table without gaps: %d rows, %v", got.Rows, got.Bad)
	}
}

// TestBadLines checks which line is named, and that the good ones stay.
func TestBadLines(t *testing.T) {
	for _, c := range []struct{ text, why string }{
		{"cpu", "missing fields"},
		{"cpu,host=a", "missing fields"},
		{"cpu,host=a ", "missing fields"},
		{"cpu ", "missing fields"},
		{"cpu n=", "n"},
		{"cpu n=1 x", "time"},
		{"cpu n=1 99999999999999999999", "time"},
		{"cpu n=9223372036854775808i", "range"},
		{"cpu n=1,n=2", "two values"},
		{"cpu n=1,n=2i", "float"},
		{"cpu,n=a n=1", "tag"},
		{"cpu,n=a,n=b x=1", "two values"},
		{"cpu time=1", "timestamp"},
		{"cpu,time=x n=1", "timestamp"},
		{"good n=2", "float"},
		{"cpu n=\"\xff\"", ""},
		{strings.Repeat("x", 1000), ""},
	} {
		got := read("good n=1i 1\n" + c.text + "\ngood n=2i 2")
		if len(got.Bad) != 1 || got.Errors != 1 || got.Rows != 2 || !slices.Equal(got.Tables[0].Columns[0].Ints, []int64{1, 2}) {
			t.Errorf("%q: %+v", c.text, got)
			continue
		}
		e := got.Bad[0]
		if e.Line != 2 || !strings.Contains(e.Error(), c.why) || !strings.HasPrefix(c.text, strings.TrimRight(e.Original, "\ufffd\"")) || len(e.Original) > maxOriginal {
			t.Errorf("%q: %v", c.text, &e)
		}
	}
	numbered := "# a comment\n\ncpu s=\"a\nb\"\ncpu time=1,s=\"\n\"\ncpu n=1\rx\ncpu n=1,n=1\n\n bad\ncpu n=2,n=2"
	var lines []int
	for _, bad := range read(numbered).Bad {
		lines = append(lines, bad.Line)
	}
	if want := []int{5, 7, 8, 10, 11}; !slices.Equal(lines, want) {
		t.Errorf("the lines %v can't be read, want %v", lines, want)
	}
	if got := Parse([]byte(strings.Repeat("bad\n", 50)), Options{MaxErrors: 3}); len(got.Bad) != 3 || got.Errors != 50 || got.Bad[2].Line != 3 {
		t.Errorf("of 50 bad lines it tells %d, %v", got.Errors, got.Bad)
	}
}

func TestPrecision(t *testing.T) {
	for _, c := range []struct {
		p       Precision
		text    string
		want    int64
		withNow int64 // what a line without a time gets
	}{
		{Nanosecond, "1", 1, 123456789012345678},
		{Microsecond, "-1", -1000, 123456789012345000},
		{Millisecond, "1", 1e6, 123456789012000000},
		{Second, "1", 1e9, 123456789000000000},
		{Minute, "1", 60e9, 123456780000000000},
		{Hour, "1", 3600e9, 123454800000000000},
		{Auto, "4999999999", 4999999999e9, 123456789012345678},
		{Auto, "5000000000", 5000000000e6, 123456789012345678},
		{Auto, "5000000000000", 5000000000000e3, 123456789012345678},
		{Auto, "5000000000000000", 5000000000000000, 123456789012345678},
		{Auto, "-1", -1e9, 123456789012345678},
		{Auto, fmt.Sprint(math.MinInt64 + 1), math.MinInt64 + 1, 123456789012345678},
	} {
		got := Parse([]byte("t n=1 "+c.text+"\nt n=2"), Options{Precision: c.p, Now: time.Unix(0, 123456789012345678), MaxErrors: 1})
		if got.Errors > 0 || !slices.Equal(got.Tables[0].Times, []int64{c.want, c.withNow}) {
			t.Errorf("%s of %v: %+v", c.text, time.Duration(c.p), got)
		}
	}
	for p, text := range map[Precision]string{Hour: "9223372036854775807", Second: "-9223372036854775807", Microsecond: "9223372036854776"} {
		if got := Parse([]byte("t n=1 "+text), Options{Precision: p, MaxErrors: 1}); got.Errors != 1 {
			t.Errorf("%s of %v: %+v", text, time.Duration(p), got)
		}
	}
}

// TestRoundTrip reads what Append has written.
func TestRoundTrip(t *testing.T) {
	text := "a\\ b,k\\=1=v\\,2,l=\\ x f=1e300,i=-5i,u=18446744073709551615u,b=false,s=\"q\\\"\\\\\n\" 5\n" +
		"a\\ b,l=y f=2 6\nz i=1i\n"
	first := read(text)
	written, skipped := Append([]byte("# before\n"), first.Tables)
	if again := read(string(written)); skipped != 0 || first.Errors > 0 || !reflect.DeepEqual(again, first) {
		t.Errorf("%s\nbecame\n%s\nskipped %d, %v", text, written, skipped, first.Bad)
	}
}

// TestInexpressible checks rows that line protocol has no words for: the others, and their other values, are written.
func TestInexpressible(t *testing.T) {
	var b rows.Builder
	b.Row("t").Tag("k", "v").Int("n", 1)
	b.Row("t").Tag("k", "w") // without a field
	b.Row("t").Float("f", math.NaN()).Int("n", 2)
	b.Row("t").Float("f", math.Inf(1))
	b.Row("t").String("s", "\xff")
	b.Row("t").Int("n", 3)
	b.Row("").Int("n", 4)
	b.Row("u").Int("", 4)
	b.Row("v").Int("a\nb", 4)
	b.Row("#w").Int("n", 4)
	if text, skipped := Append(nil, b.Tables()); string(text) != "t,k=v n=1i\nt n=2i\nt n=3i\n" || skipped != 8 {
		t.Errorf("skipped %d:\n%s", skipped, text)
	}
}

// TestOwnStrings checks that nothing refers to the body.
func TestOwnStrings(t *testing.T) {
	body := []byte("cpu,host=a text=\"x\"")
	got := Parse(body, Options{Now: time.Unix(0, 77)})
	want := Parse(slices.Clone(body), Options{Now: time.Unix(0, 77)})
	clear(body)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after the body was cleared: %+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("cpu,host=a usage=1.5,n=2i,ok=t,s=\"x\" 10\n# c\nbad")
	f.Add("a\\ b,k\\=1=v\\,2 f=1e300,u=18446744073709551615u -5")
	f.Fuzz(func(t *testing.T, text string) {
		first := read(text)
		written, skipped := Append(nil, first.Tables)
		if again := read(string(written)); skipped == 0 && (again.Rows != first.Rows || again.Errors > 0) {
			t.Fatalf("%q has %d rows, and written as %q it has %d: %v", text, first.Rows, written, again.Rows, again.Bad)
		}
	})
}

// FuzzAppend writes a row with any names and values. Either it is read again as it was, or it is said to lack something.
func FuzzAppend(f *testing.F) {
	f.Add("t", "k", "v", "f", "s", int64(1), 0.5)
	f.Add("#t", "k", "a\\,b", "f g", "q\"\\", int64(math.MinInt64), math.Inf(1))
	f.Fuzz(func(t *testing.T, table, key, tag, field, text string, at int64, x float64) {
		if key == field || key == "time" || field == "time" || field == "x" || key == "x" || at == math.MinInt64 {
			t.Skip("Parse refuses such lines on purpose")
		}
		var b rows.Builder
		b.Row(table).Tag(key, tag).String(field, text).Float("x", x).AtNano(at)
		made := b.Tables()
		agrees(t, &made[0])
		written, lacking := Append(nil, made)
		got := read(string(written))
		if lacking == 0 && (got.Errors > 0 || !reflect.DeepEqual(got.Tables, withoutEmpty(made))) {
			t.Fatalf("%+v, written as %q, is read as %+v", made, written, got)
		}
	})
}

// withoutEmpty leaves out tags without a value, which line protocol doesn't have.
func withoutEmpty(tables []abi.Table) []abi.Table {
	for i := range tables {
		tables[i].Columns = slices.DeleteFunc(tables[i].Columns, func(c abi.Column) bool { return c.Kind == abi.Tag && c.Strings[0] == "" })
	}
	return tables
}

// benchLines are points as Telegraf writes them.
const benchLines = 1000

func telegraf() []byte {
	var text []byte
	for i := range benchLines {
		text = fmt.Appendf(text, "cpu,cpu=cpu%d,host=server%d usage_user=%d.5,usage_system=%d,usage_idle=90.25,n=%di %d\n",
			i%8, i%50, i%100, i%10, i, 1700000000000000000+i)
	}
	return text
}

// BenchmarkParse reads lines quickly, and has the library read them.
func BenchmarkParse(b *testing.B) {
	body := telegraf()
	for name, m := range map[string]*memory{"quick": new(memory), "library": nil} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if got := parse(body, Options{Precision: Nanosecond}, m); got.Rows != benchLines {
					b.Fatal(got.Bad)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchLines, "ns/point")
		})
	}
}

// BenchmarkAppend writes the points that BenchmarkParse reads.
func BenchmarkAppend(b *testing.B) {
	p := Parse(telegraf(), Options{Precision: Nanosecond})
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text, _ = Append(text[:0], p.Tables)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchLines, "ns/point")
}
