package rows

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// TestBuilder makes random rows, drops some, and compares the tables with the rows that were made, value by value.
func TestBuilder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b Builder
		want := map[string][]map[string]any{}
		kinds := map[string]abi.Kind{}
		for range r.IntN(300) {
			name := fmt.Sprint("t", r.IntN(3))
			row, made := b.Row(name), map[string]any{}
			at := time.Unix(0, r.Int64N(1e15)).UTC()
			row.At(at)
			made[""] = at
			for i := range 8 {
				if r.IntN(3) == 0 {
					continue
				}
				column := fmt.Sprint("c", i)
				k, known := kinds[name+column]
				if !known {
					k = abi.Tag + abi.Kind(r.IntN(6))
				}
				made[column] = add(r, row, column, k)
			}
			if row.Err() != nil {
				t.Fatal(row.Err())
			}
			if r.IntN(4) == 0 {
				row.Drop()
				continue
			}
			for i := range 8 {
				column := fmt.Sprint("c", i)
				if v, ok := made[column]; ok {
					kinds[name+column] = v.(value).kind
				}
			}
			want[name] = append(want[name], made)
		}
		for _, table := range b.Tables() {
			if Len(&table) != len(want[table.Name]) {
				t.Fatalf("seed %d: table %s has %d rows, want %d", seed, table.Name, Len(&table), len(want[table.Name]))
			}
			for i, made := range want[table.Name] {
				if Time(&table, i) != made[""] {
					t.Fatalf("seed %d: row %d is of %v, want %v", seed, i, Time(&table, i), made[""])
				}
				for c := range 8 {
					column := fmt.Sprint("c", c)
					v, _ := made[column].(value)
					if got := Value(Find(&table, column), i); !reflect.DeepEqual(got, v.v) {
						t.Fatalf("seed %d: %s of row %d is %v, want %v", seed, column, i, got, v.v)
					}
				}
			}
			delete(want, table.Name)
		}
		if len(want) > 0 {
			t.Fatalf("seed %d: no tables %v", seed, want)
		}
	}
}

type value struct {
	kind abi.Kind
	v    any
}

// add gives a row a random value.
func add(r *rand.Rand, row *Row, column string, k abi.Kind) value {
	switch k {
	case abi.Tag:
		s := fmt.Sprint(r.IntN(9))
		row.Tag(column, s)
		return value{k, s}
	case abi.String:
		s := fmt.Sprint(r.IntN(9))
		row.String(column, s)
		return value{k, s}
	case abi.Int:
		n := r.Int64()
		row.Int(column, n)
		return value{k, n}
	case abi.Uint:
		n := r.Uint64()
		row.Uint(column, n)
		return value{k, n}
	case abi.Float:
		n := r.Float64()
		row.Float(column, n)
		return value{k, n}
	default:
		n := r.IntN(2) == 0
		row.Bool(column, n)
		return value{abi.Bool, n}
	}
}

func TestRefusedValues(t *testing.T) {
	var b Builder
	b.Row("t").Int("n", 1)
	row := b.Row("t").Float("n", 1)
	if kind := (*KindError)(nil); !errors.As(row.Err(), &kind) || kind.Have != abi.Int || kind.Got != abi.Float {
		t.Errorf("a float among integers: %v", row.Err())
	}
	row.Drop()
	if row := b.Row("t").Int("n", 2).Int("n", 3); row.Err() == nil {
		t.Error("two values of a column in a row")
	}
	tables := b.Tables()
	if want := []abi.Table{{Name: "t", Columns: []abi.Column{{Name: "n", Kind: abi.Int, Ints: []int64{1, 2}}}}}; !reflect.DeepEqual(tables, want) {
		t.Errorf("it made %+v", tables)
	}
	if b.Rows() != 0 || len(b.Tables()) != 0 {
		t.Error("rows are left")
	}
}

// TestDrop checks that nothing of a dropped row is left: neither its columns, nor their order.
func TestDrop(t *testing.T) {
	var b Builder
	b.Row("t").Int("n", 1)
	b.Row("t").Int("m", 2).Int("n", 2).Drop()
	b.Row("u").Int("n", 3).Drop()
	b.Row("t").Float("k", 4).Float("m", 4)
	want := []abi.Table{{Name: "t", Columns: []abi.Column{
		{Name: "n", Kind: abi.Int, Ints: []int64{1, 0}, Absent: []uint64{2}},
		{Name: "k", Kind: abi.Float, Floats: []float64{0, 4}, Absent: []uint64{1}},
		{Name: "m", Kind: abi.Float, Floats: []float64{0, 4}, Absent: []uint64{1}},
	}}}
	if tables := b.Tables(); !reflect.DeepEqual(tables, want) {
		t.Errorf("it made %+v", tables)
	}
}

// TestLimit fills tables up to their limit. A row for which there is no room has an error, and takes none when it is dropped.
func TestLimit(t *testing.T) {
	var b Builder
	b.Limit(tablePlaces + 2*columnPlaces + 6)
	b.Row("t").Int("n", 1).Int("m", 1)
	b.Row("t").Int("n", 2)
	for range 3 {
		row := b.Row("t").Int("n", 3).Int("k", 3) // a place in each of three rows, and those of a column
		if row.Err() != ErrSparse {
			t.Errorf("three rows with three columns: %v", row.Err())
		}
		row.Drop()
	}
	if err := b.Row("t").Int("n", 4).Err(); err != nil {
		t.Errorf("three rows with two columns: %v", err)
	}
	row := b.Row("t")
	if row.Err() != ErrSparse {
		t.Errorf("four rows with two columns: %v", row.Err())
	}
	row.Drop()
	for range 2 {
		row := b.Row("u").Int("n", 1)
		if row.Err() != ErrSparse {
			t.Errorf("another table: %v", row.Err())
		}
		row.Drop()
	}
	if b.places != b.limit {
		t.Errorf("%d places are taken, want %d", b.places, b.limit)
	}
	if tables := b.Tables(); len(tables) != 1 || len(tables[0].Times) != 0 || len(tables[0].Columns) != 2 || len(tables[0].Columns[0].Ints) != 3 {
		t.Errorf("it made %+v", tables)
	}
}

// TestGrow checks that rows which were said to come move nothing, and that only so many columns have room for them.
func TestGrow(t *testing.T) {
	var b Builder
	b.Grow(100, 6)
	row := b.Row("t").Tag("a", "x").Int("b", 1).Uint("c", 1).Float("d", 1).Bool("e", true).String("f", "x").Int("g", 1)
	if row.Err() != nil {
		t.Fatal(row.Err())
	}
	table := b.Tables()[0]
	for i, c := range table.Columns {
		room := max(cap(c.Strings), cap(c.Ints), cap(c.Uints), cap(c.Floats), cap(c.Bools))
		if lenOf(&c) != 1 || (room >= 100) != (i < 6) {
			t.Errorf("%s has %d values, and room for %d", c.Name, lenOf(&c), room)
		}
	}
}

// TestTimes checks rows of which some have a time.
func TestTimes(t *testing.T) {
	var b Builder
	before := time.Now()
	b.Row("t").Int("n", 1)
	b.RowOf([]byte("t")).Int("n", 2).AtNano(5)
	table := b.Tables()[0]
	if at := Time(&table, 0); at.Before(before) || Time(&table, 1) != time.Unix(0, 5).UTC() {
		t.Errorf("the times are %v", table.Times)
	}
	b.Row("t").Int("n", 1)
	if table := b.Tables()[0]; table.Times != nil || Len(&table) != 1 || !Time(&table, 0).IsZero() {
		t.Errorf("the times are %v", table.Times)
	}
}

func TestReaders(t *testing.T) {
	var b Builder
	b.Row("t").Tag("tag", "x").Int("i", -1).Uint("u", 2).Float("f", 2.5).Bool("b", true).String("s", "y")
	b.Row("t").Tag("tag", "z")
	table := b.Tables()[0]
	for column, want := range map[string]string{"tag": "x", "i": "-1", "u": "2", "f": "2.5", "b": "true", "s": "y", "none": ""} {
		if got := Text(Find(&table, column), 0); got != want {
			t.Errorf("%s is %q, want %q", column, got, want)
		}
	}
	for column, want := range map[string]float64{"i": -1, "u": 2, "f": 2.5} {
		if v, ok := Float(Find(&table, column), 0); v != want || !ok {
			t.Errorf("%s is %v, %v, want %v", column, v, ok, want)
		}
	}
	for _, column := range []string{"tag", "b", "s", "none"} {
		if v, ok := Float(Find(&table, column), 0); ok {
			t.Errorf("%s is the number %v", column, v)
		}
	}
	if f := Find(&table, "f"); Has(f, 1) || Text(f, 1) != "" || Value(f, 1) != nil {
		t.Error("an absent value is there")
	}
	at := abi.Column{Name: "time", Kind: abi.Time, Ints: []int64{1e9}}
	if Text(&at, 0) != "1970-01-01T00:00:01Z" || Value(&at, 0) != time.Unix(1, 0).UTC() {
		t.Errorf("a time is %q", Text(&at, 0))
	}
}
