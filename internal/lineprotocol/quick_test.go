package lineprotocol

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// agree reads a text with and without the quick reader, the second time with what it remembers of the first, and reports whether both
// have the same rows, to the last bit, and the same errors.
func agree(t *testing.T, text string, o Options, m *memory) {
	t.Helper()
	want := parse([]byte(text), o, nil)
	written, _ := Append(nil, want.Tables)
	for _, which := range []string{"first", "second"} {
		got := parse([]byte(text), o, m)
		if !reflect.DeepEqual(got.Tables, want.Tables) || got.Rows != want.Rows || got.Errors != want.Errors || said(got) != said(want) {
			t.Fatalf("%q, read a %s time, is %+v, and to the library %+v\n%s\n%s", text, which, got, want, said(got), said(want))
		}
		if again, _ := Append(nil, got.Tables); string(again) != string(written) {
			t.Fatalf("%q, read a %s time, is %s, and to the library %s", text, which, again, written)
		}
	}
}

func said(p Parsed) string {
	var all strings.Builder
	for i := range p.Bad {
		all.WriteString(p.Bad[i].Error() + "\n")
	}
	return all.String()
}

// TestQuick checks which lines are read quickly, and that they mean the same to the library.
func TestQuick(t *testing.T) {
	for text, want := range map[string]bool{
		"cpu n=1": true, "cpu n=1\n": true, "cpu,host=a n=1 10\n": true, "cpu,a=b,c=d f=-0,g=1.5 -10": true, "c\"p#u~ n\"=1": true,
		"cpu a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE": true,
		"cpu n=999999999999999999i,m=-1i,u=9999999999999999999u":           true, "cpu n=007i,f=007.50,z=-0i": true,
		"cpu s=\"\",t=\"a, b=1 #\" 1": true, "cpu n=1 9223372036854775807": true,
		"cpu f=123456789012345,g=0.00000000000001,h=97.48743718594571,i=18446744073709551617": true,

		"": false, "\n": false, "#cpu n=1": false, " cpu n=1": false, "cpu  n=1": false, "cpu n=1 ": false, "cpu n=1 \n": false, "cpu n=1  1": false,
		"cpu n=1\r\n": false, "cpu n=1 1 ": false, "cpu\tn=1": false, "cpu n=1\t": false, "cpü n=1": false, "cpu n=\"ü\"": false, "cpu n=\"a\nb\"": false,
		"cpu n=\"a\\\"\"": false, "c\\ pu n=1": false, "cpu,a\\ b=c n=1": false, "cpu n\\==1": false, "cpu": false, "cpu ": false, "cpu n": false,
		"cpu n=": false, "cpu =1": false, "cpu n=1,": false, "cpu, n=1": false, "cpu,a n=1": false, "cpu,a= n=1": false, "cpu,=a n=1": false,
		"cpu,a=b=c n=1": false, "cpu=1 n=1": false, ",a=b n=1": false, "cpu n=.5": false, "cpu n=1.": false, "cpu n=-": false, "cpu n=1e3": false,
		"cpu n=0x1p3": false, "cpu n=1_0": false, "cpu n=+1": false, "cpu n=1.5i": false, "cpu n=-1u": false, "cpu n=NaN": false, "cpu n=tr": false,
		"cpu n=1000000000000000000i": false, "cpu n=18446744073709551616u": false, "cpu n=1ii": false, "cpu n=\"a\"b": false, "cpu n=\"a": false,
		"cpu n=1 9223372036854775808": false, "cpu n=1 -": false, "cpu n=1 1x": false, "cpu n=1 10000000000000000000": false, "cpu n=t_": false,
		"cpu,time=a n=1": false, "cpu time=1": false, "cpu n=1,n=1": false, "cpu,n=a n=1": false, "cpu,a=b,a=b n=1": false,
		"cpu n=" + strings.Repeat("9", 400): false,
	} {
		p := parser{options: Options{Precision: Nanosecond}, memory: new(memory)}
		if n := p.quick([]byte(text)); (n > 0) != want || n > 0 && n != len(text) {
			t.Errorf("%q: %d bytes are read quickly", text, n)
		}
		agree(t, text+"\nn=1\ncpu n=2i", Options{Precision: Nanosecond, MaxErrors: 9}, new(memory))
	}
}

// TestQuickAmongOthers reads random texts of lines of all kinds, among them such that are longer than what the library reads at once.
func TestQuickAmongOthers(t *testing.T) {
	long := strings.Repeat("x", 9000)
	lines := []string{
		"cpu,host=a n=1,m=2i 10", "cpu,host=b n=3,m=4i 10", "cpu,host=a m=5i,n=6", "mem,host=a free=7u 11", "cpu n=t", "cpu n=8i,n=9i", "cpu,n=a x=1",
		"", "# a comment", "bad", "cpu time=1,s=\"a", "b\" 1", "cpu s=\"c", "cpu s=\"d\" 12", "cpu,a\\ b=c \\ n=1,a\\,b=2", "a\\ b=3", "cpu n=1\r", "\r", "  ",
		"cpu n=" + long, "cpu l=\"" + long + "\" 13", "cpu s=\"" + long, long + " n=1", "cpu n=1 " + long, "cpu n=1i " + long + "\"", "\xff", "cpu s=\"\xff",
	}
	m := new(memory)
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		for range 1 + r.IntN(8) {
			text.WriteString(lines[r.IntN(len(lines))])
			if r.IntN(9) > 0 {
				text.WriteByte('\n')
			}
		}
		agree(t, text.String(), Options{Precision: Auto, Now: time.Unix(1, 77), MaxErrors: 5}, m)
	}
}

// TestMemory reads more series than are remembered, with names that take more room than there is.
func TestMemory(t *testing.T) {
	m, name := new(memory), strings.Repeat("h", 300)
	for i := range 3 {
		var text strings.Builder
		for n := range mostSeries + 10 {
			fmt.Fprintf(&text, "cpu,host=%s%d n=%di\n", name[:i*150], n, i)
		}
		agree(t, text.String(), Options{Precision: Second}, m)
		if len(m.series) > mostSeries || m.size > mostHeads {
			t.Errorf("it remembers %d series, with %d bytes of names", len(m.series), m.size)
		}
	}
}

// TestRoom reads a long text and then short ones of the same table: what is made ready for them must not be as large.
func TestRoom(t *testing.T) {
	m := new(memory)
	parse(telegraf(), Options{}, m)
	got := parse([]byte("cpu,cpu=cpu1 usage_user=1 1\n"), Options{}, m)
	if room := cap(got.Tables[0].Columns[0].Strings); room > 10 {
		t.Errorf("a row has room for %d", room)
	}
	wide := "cpu a=1"
	for i := range 1000 {
		wide += fmt.Sprintf(",f%d=1", i)
	}
	got = parse([]byte(wide+"\n"+strings.Repeat("# to make it long\n", 1000)), Options{}, m)
	if c := got.Tables[0].Columns[1000]; cap(c.Floats) > 8 {
		t.Errorf("a column that wasn't there before has room for %d", cap(c.Floats))
	}
}

// TestRoomForAll reads long texts of one table each, and then a text that begins with a line of each of them. What is made ready for all of
// them has a bound.
func TestRoomForAll(t *testing.T) {
	m, long := new(memory), strings.Repeat("# to make it long\n", 100_000)
	var each strings.Builder
	for i := range 100 {
		line := fmt.Sprintf("t%d f=1 1\n", i)
		parse([]byte(strings.Repeat(line, 50_000)), Options{}, m)
		each.WriteString(line)
	}
	room := 0
	for _, table := range parse([]byte(each.String()+long), Options{}, m).Tables {
		room += cap(table.Times) + cap(table.Columns[0].Floats)
	}
	if room > 2*mostPlaces {
		t.Errorf("100 rows have room for %d values", room)
	}
}

func FuzzQuick(f *testing.F) {
	for _, text := range []string{
		"cpu,host=a usage=1.5,n=2i,ok=t,s=\"x\",u=3u 10\ncpu,host=a usage=2.5,n=3i,ok=f,s=\"y\" 11\n",
		"# c\n\nbad\n a=1\ncpu time=1,s=\"a\nb\" 1\ncpu n=\"a\nb\",n=1\ncpu n=1i\n",
	} {
		f.Add(text, int64(0))
	}
	some := 0
	for _, c := range corpus(f) { // TestCorpus has all of them
		if f.Add(string(c.Input.Text), c.Input.DefaultTime); some == 300 {
			break
		}
		some++
	}
	m := new(memory)
	f.Fuzz(func(t *testing.T, text string, unit int64) {
		units := []Precision{Auto, Nanosecond, Second, Hour}
		agree(t, text, Options{Precision: units[uint64(unit)%4], Now: time.Unix(1, 77), MaxErrors: 100}, m)
	})
}
