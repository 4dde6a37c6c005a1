package state

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// sort describes a random type. Several types are made from it that differ as those of two generations may.
type sort struct {
	kind   reflect.Kind
	elem   *sort
	key    *sort
	len    int
	fields []*sort
}

var leaves = []reflect.Kind{
	reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16,
	reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.String, reflect.Interface, stdKind,
}

func randomSort(r *rand.Rand, depth int, key bool) *sort {
	if depth == 0 || r.IntN(4) == 0 {
		for {
			// No floats in keys: a test can't compare a key that isn't equal to itself.
			k := leaves[r.IntN(len(leaves))]
			if !key || k != reflect.Float32 && k != reflect.Float64 && k != reflect.Complex64 && k != reflect.Interface && k != stdKind {
				return &sort{kind: k}
			}
		}
	}
	kinds := []reflect.Kind{reflect.Struct, reflect.Array, reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Map, reflect.Map}
	if key {
		kinds = kinds[:2]
	}
	s := &sort{kind: kinds[r.IntN(len(kinds))]}
	switch s.kind {
	case reflect.Struct:
		for range 1 + r.IntN(5) {
			s.fields = append(s.fields, randomSort(r, depth-1, key))
		}
		return s
	case reflect.Array:
		s.len = 1 + r.IntN(3)
	case reflect.Map:
		s.key = randomSort(r, 1, true)
	}
	s.elem = randomSort(r, depth-1, key)
	return s
}

// maker makes types from sorts. Its tag makes them different from those of other makers.
type maker struct {
	tag    string
	change *rand.Rand // not nil: the types are to be converted to
}

var basic = map[reflect.Kind]reflect.Type{}

func init() {
	for _, v := range []any{false, 0, int8(0), int16(0), int32(0), int64(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0), 0.0, complex64(0), ""} {
		basic[reflect.TypeOf(v).Kind()] = reflect.TypeOf(v)
	}
	basic[reflect.Interface] = reflect.TypeFor[any]()
	basic[stdKind] = reflect.TypeFor[time.Time]()
}

var widest = map[reflect.Kind]reflect.Type{
	reflect.Int8: reflect.TypeFor[int16](), reflect.Int16: reflect.TypeFor[float32](), reflect.Int32: reflect.TypeFor[int](), reflect.Int: reflect.TypeFor[int64](),
	reflect.Uint8: reflect.TypeFor[int32](), reflect.Uint16: reflect.TypeFor[uint](), reflect.Uint32: reflect.TypeFor[float64](),
	reflect.Float32: reflect.TypeFor[float64](), reflect.Complex64: reflect.TypeFor[complex128](),
}

func (m maker) make(s *sort) reflect.Type {
	switch s.kind {
	case reflect.Pointer:
		return reflect.PointerTo(m.make(s.elem))
	case reflect.Slice:
		return reflect.SliceOf(m.make(s.elem))
	case reflect.Array:
		return reflect.ArrayOf(s.len, m.make(s.elem))
	case reflect.Map:
		return reflect.MapOf(m.make(s.key), m.make(s.elem))
	case reflect.Struct:
		var fields []reflect.StructField
		for i, f := range s.fields {
			name, pkg := fmt.Sprintf("f%d", i), "example.com/own"
			if i%2 == 0 {
				name, pkg = strings.ToUpper(name), ""
			}
			fields = append(fields, reflect.StructField{Name: name, PkgPath: pkg, Type: m.make(f), Tag: reflect.StructTag(m.tag)})
		}
		if m.change != nil {
			fields = append(fields, reflect.StructField{Name: "Added", Type: reflect.TypeFor[string]()})
			m.change.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		}
		return reflect.StructOf(fields)
	}
	if w := widest[s.kind]; m.change != nil && w != nil && m.change.IntN(2) == 0 {
		return w
	}
	return basic[s.kind]
}

// filler makes random values in which pointers, maps and slices sometimes occur twice.
type filler struct {
	*rand.Rand
	made map[reflect.Type][]reflect.Value
}

func (f *filler) fill(v reflect.Value) {
	v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem() // unexported fields too
	t := v.Type()
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if old := f.made[t]; len(old) > 0 && f.IntN(3) == 0 {
			v.Set(old[f.IntN(len(old))])
			return
		}
		if f.IntN(6) == 0 {
			return
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.String:
		v.SetString(strconv.FormatUint(f.Uint64()>>f.IntN(64), 36))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32(f.NormFloat64())))
	case reflect.Complex64:
		v.SetComplex(complex(1, float64(float32(f.NormFloat64()))))
	case reflect.Interface:
		if x := []any{nil, 1, "x", 2.5, []any{int8(1), map[string]any{"a": true}}, &abi.Arg{Name: "k"}, time.Second}[f.IntN(7)]; x != nil {
			v.Set(reflect.ValueOf(x))
		}
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		f.fill(v.Elem())
		f.made[t] = append(f.made[t], v)
	case reflect.Slice:
		n := f.IntN(4)
		v.Set(reflect.MakeSlice(t, n, n+f.IntN(2)))
		for i := range n {
			f.fill(v.Index(i))
		}
		f.made[t] = append(f.made[t], v)
	case reflect.Array:
		for i := range t.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		for range f.IntN(10) {
			k, e := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			f.fill(k)
			f.fill(e)
			v.SetMapIndex(k, e)
		}
		f.made[t] = append(f.made[t], v)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(f.Uint32()), int64(f.Uint32N(1e9))).UTC()))
			return
		}
		for i := range t.NumField() {
			f.fill(v.Field(i))
		}
	default:
		if v.CanInt() {
			v.SetInt(int64(f.Uint64()))
		} else {
			v.SetUint(f.Uint64())
		}
	}
}

// dump describes a value in a way that doesn't depend on its type: fields by name, numbers by value, and objects seen before
// by their number.
type dump struct {
	strings.Builder
	met map[string]int
}

func dumped(v any) string {
	d := &dump{met: map[string]int{}}
	x := reflect.New(reflect.TypeOf(v)).Elem()
	x.Set(reflect.ValueOf(v))
	d.value(x)
	return d.String()
}

func (d *dump) again(id string) bool {
	n, ok := d.met[id]
	if !ok {
		n = len(d.met) + 1
		d.met[id] = n
	}
	fmt.Fprintf(d, "#%d", n)
	return ok
}

func (d *dump) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			d.WriteString("nil")
			return
		}
		n := 0
		if v.Kind() == reflect.Slice {
			n = v.Len()
		}
		if v.Kind() != reflect.Slice || n > 0 { // an empty slice has no address of its own
			if d.again(fmt.Sprint(v.Kind(), v.Pointer(), n)) {
				return
			}
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			d.WriteString("nil")
			return
		}
		d.value(v.Elem())
	case reflect.Slice, reflect.Array:
		d.WriteString("[")
		for i := range v.Len() {
			d.value(v.Index(i))
			d.WriteString(" ")
		}
		d.WriteString("]")
	case reflect.Map:
		entries := map[string]reflect.Value{}
		var keys []string
		for it := v.MapRange(); it.Next(); {
			k := &dump{}
			k.value(it.Key())
			keys, entries[k.String()] = append(keys, k.String()), it.Value()
		}
		slices.Sort(keys)
		d.WriteString("{")
		for _, k := range keys {
			d.WriteString(k + ":")
			d.value(entries[k])
			d.WriteString(" ")
		}
		d.WriteString("}")
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			fmt.Fprint(d, v.Field(0).Uint(), v.Field(1).Int())
			return
		}
		var names []string
		for f := range v.Type().Fields() {
			if f.Name != "Added" {
				names = append(names, f.Name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			d.WriteString(name + "=")
			d.value(v.FieldByName(name))
			d.WriteString(" ")
		}
	case reflect.Float32, reflect.Float64:
		if x := v.Float(); x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			fmt.Fprint(d, int64(x))
		} else {
			fmt.Fprint(d, x)
		}
	case reflect.Complex64, reflect.Complex128:
		fmt.Fprint(d, v.Complex())
	default:
		fmt.Fprintf(d, "%v", v)
	}
}

func TestRandomMoves(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 50
	}
	ways := map[Way]int{}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		s := &sort{kind: reflect.Struct}
		for range 1 + r.IntN(5) {
			s.fields = append(s.fields, randomSort(r, 3, false))
		}
		from := maker{tag: `gen:"1"`}.make(s)
		v := reflect.New(from)
		(&filler{r, map[reflect.Type][]reflect.Value{}}).fill(v.Elem())
		want := dumped(v.Interface())
		results := map[string]any{}
		check := func(how string, got any, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("seed %d: %s: %v\n%v", seed, how, err, from)
			}
			results[how] = got
		}

		twin := reflect.PointerTo(maker{tag: `gen:"2"`}.make(s))
		got, err := Adopt(v.Interface(), twin, Options{})
		check("adopt", got, err)
		if reflect.ValueOf(got).Pointer() != v.Pointer() || reflect.TypeOf(got) != twin {
			t.Fatal("not adopted")
		}
		back, err := Adopt(got, v.Type(), Options{})
		check("adopt back", back, err)

		other := reflect.PointerTo(maker{tag: `gen:"3"`, change: r}.make(s))
		p := Compare(v.Type(), other)
		ways[p.Way]++
		var b bytes.Buffer
		if err := Encode(&b, abi.State{Value: v.Interface()}); err != nil {
			t.Fatalf("seed %d: encode: %v", seed, err)
		}
		if p.Way == ByConversion {
			got, _, err = p.Move(v.Interface(), Options{})
			if err == nil {
				check("convert", got, nil)
			}
			stream, _, streamErr := Decode(bytes.NewReader(b.Bytes()), other, DecodeOptions{})
			if (err == nil) != (streamErr == nil) {
				t.Fatalf("seed %d: convert says %v, decode %v", seed, err, streamErr)
			}
			if err == nil {
				check("decode to another type", stream.Value, nil)
			}
		}
		stream, _, err := Decode(bytes.NewReader(b.Bytes()), twin, DecodeOptions{})
		check("decode", stream.Value, err)
		c, _, err := Copy(v.Interface(), Options{})
		check("copy", c, err)
		runtime.GC()
		for how, got := range results {
			if d := dumped(got); d != want {
				t.Fatalf("seed %d: %s\nwant %s\ngot  %s", seed, how, want, d)
			}
		}
	}
	if ways[ByConversion] < rounds/2 {
		t.Errorf("too few conversions: %v", ways)
	}
}
