//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// forged returns a stream with the given nodes and body, and correct checksums.
func forged(body func(w *writer), nodes func(w *writer)) []byte {
	var b bytes.Buffer
	w := newWriter(&b)
	w.head(majorTag, selfDescribed)
	w.head(majorArray, 8)
	w.text(magic)
	w.uint(format)
	w.text("")
	w.int(0)
	nodes(w)
	w.sum()
	w.one(majorArray<<5 | indefinite)
	body(w)
	w.one(majorSimple<<5 | indefinite)
	w.sum()
	return b.Bytes()
}

// items returns a function that writes CBOR items.
func items(all ...any) func(w *writer) {
	return func(w *writer) {
		for _, x := range all {
			switch x := x.(type) {
			case nil:
				w.null()
			case string:
				w.text(x)
			case int:
				w.int(int64(x))
			case bool:
				w.bool(x)
			case float64:
				w.float(x)
			case []byte:
				w.bytes(x)
			case array:
				w.head(majorArray, uint64(x))
			case pairs:
				w.head(majorMap, uint64(x))
			case func(w *writer):
				x(w)
			case raw:
				w.one(byte(x))
			default:
				panic(x)
			}
		}
	}
}

type (
	array uint64 // the head of an array with this many items
	pairs uint64 // the head of a map with this many pairs
	raw   byte   // one byte as it is
)

// scalar writes the only node of a stream whose value has no parts.
func scalar(kind string) func(w *writer) { return items(array(1), array(2), kind, kind) }

func TestForgedStreams(t *testing.T) {
	if _, err := decodeAs[int8](forged(items(127), scalar("int8"))); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"too large":     forged(items(128), scalar("int8")),
		"too small":     forged(items(-129), scalar("int8")),
		"kind":          forged(items(1), scalar("func")),
		"no value":      forged(items(), scalar("int8")),
		"another value": forged(items(1, 1), scalar("int8")),
	} {
		if _, err := decodeAs[int8](b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A struct with one field of its own type.
	endless := items(array(1), array(3), "struct", "endless", array(2), "f", 0)
	deep := func(w *writer) {
		for range 100_000 {
			w.head(majorArray, 1)
		}
	}
	if _, err := decodeAs[struct{ added int }](forged(deep, endless)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "contains itself") {
		t.Error(err)
	}
}

// TestForgedBounds reads the smallest and largest number of each kind, and those just beyond.
func TestForgedBounds(t *testing.T) {
	for _, c := range []struct {
		to       reflect.Type
		min, max int
	}{
		{reflect.TypeFor[int8](), math.MinInt8, math.MaxInt8},
		{reflect.TypeFor[int16](), math.MinInt16, math.MaxInt16},
		{reflect.TypeFor[int32](), math.MinInt32, math.MaxInt32},
		{reflect.TypeFor[uint8](), 0, math.MaxUint8},
		{reflect.TypeFor[uint16](), 0, math.MaxUint16},
		{reflect.TypeFor[uint32](), 0, math.MaxUint32},
	} {
		for n, fits := range map[int]bool{c.min - 1: false, c.min: true, c.max: true, c.max + 1: false} {
			s, _, err := Decode(bytes.NewReader(forged(items(n), scalar(c.to.Name()))), c.to, DecodeOptions{})
			if fits != (err == nil) || !fits && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d for an %v: %v, %v", n, c.to, s.Value, err)
			}
		}
	}
}

// TestForgedReasons damages one thing at a time in streams with correct checksums. The error must name that thing, not a
// consequence.
func TestForgedReasons(t *testing.T) {
	type pointers struct{ a, b *int8 }
	nested := func(w *writer) {
		for range tooDeep + 1 {
			items(array(2), 1, array(3), "k", 1)(w)
		}
		w.null()
	}
	intSlice := items(array(2), array(3), "slice", "[]int8", 1, array(2), "int8", "int8")
	bytesSlice := items(array(2), array(3), "slice", "[]uint8", 1, array(2), "uint8", "uint8")
	intMap := items(array(2), array(4), "map", "map[int8]int8", 1, 1, array(2), "int8", "int8")
	twoPointers := items(array(5),
		array(3), "struct", "s", array(4), "a", 1, "b", 2, array(3), "ptr", "*p", 3, array(3), "ptr", "*q", 4, array(2), "int8", "p", array(2), "int8", "q")
	onePointer := items(array(2), array(3), "ptr", "*int8", 1, array(2), "int8", "int8")
	iface := items(array(1), array(2), "interface", "interface {}")
	for _, c := range []struct {
		about       string
		to          reflect.Type
		body, nodes func(w *writer)
	}{
		{"fields of", reflect.TypeFor[struct{ f int8 }](), items(), items(array(1), array(3), "struct", "s", array(1), "f")},
		{"two fields", reflect.TypeFor[struct{ f int8 }](), items(), items(array(2), array(3), "struct", "s", array(4), "f", 1, "f", 1, array(2), "int8", "int8")},
		{"type 1 of 1", reflect.TypeFor[*int8](), items(), items(array(1), array(3), "ptr", "*int8", 1)},
		{"type 7 of 1", reflect.TypeFor[*int8](), items(), items(array(1), array(3), "ptr", "*int8", 7)},
		{`of kind "int8"`, reflect.TypeFor[int8](), items(), items(array(1), array(3), "int8", "int8", 0)},
		{`of kind "unsafe.Pointer"`, reflect.TypeFor[int8](), items(), scalar("unsafe.Pointer")},
		{`of kind "chan"`, reflect.TypeFor[int8](), items(), scalar("chan")},
		{"string 5 of 0", reflect.TypeFor[struct{ n int8 }](), items(array(2), 1, 5),
			items(array(3), array(3), "struct", "s", array(4), "n", 1, "gone", 2, array(2), "int8", "int8", array(2), "string", "string")},
		{"interfaces nested deeper", reflect.TypeFor[any](), nested, items(array(4), array(2), "interface", "interface {}",
			array(3), "struct", "abi.State", array(6), "Schema", 2, "Version", 3, "Value", 0, array(2), "string", "string", array(2), "int", "int")},
		{"interfaces nested deeper", reflect.TypeFor[struct{}](), items(array(1), nested), items(array(5), array(3), "struct", "s", array(2), "gone", 4,
			array(3), "struct", "abi.State", array(6), "Schema", 2, "Version", 3, "Value", 4, array(2), "string", "string", array(2), "int", "int", array(2), "interface", "interface {}")},
		{`of kind "odd"`, reflect.TypeFor[int8](), items(), scalar("odd")},
		{"array of", reflect.TypeFor[[1]int8](), items(), items(array(2), array(4), "array", "a", 1, 1<<40+1, array(2), "int8", "int8")},
		{"contains itself", reflect.TypeFor[[1]int8](), items(), items(array(1), array(4), "array", "a", 0, 1)},
		{"65537 types", reflect.TypeFor[int8](), items(), items(array(mostShapes+1), string(make([]byte, mostShapes+1)))},
		{"values left over", reflect.TypeFor[int8](), items(1, 1), scalar("int8")},
		{"item of type 3 instead of 0", reflect.TypeFor[uint8](), items("x"), scalar("uint8")},
		{"not a 64-bit integer", reflect.TypeFor[int8](), items("x"), scalar("int8")},
		{"not a 64-bit integer", reflect.TypeFor[int64](), items(raw(majorInt<<5|27), raw(0x80), raw(0), raw(0), raw(0), raw(0), raw(0), raw(0), raw(0)), scalar("int64")},
		{"not a floating-point number", reflect.TypeFor[float64](), items(1), scalar("float64")},
		{"not a floating-point number", reflect.TypeFor[float64](), items(true), scalar("float64")},
		{"not a boolean", reflect.TypeFor[bool](), items(1), scalar("bool")},
		{"not a boolean", reflect.TypeFor[bool](), items(nil), scalar("bool")},
		{"string 1 of 0", reflect.TypeFor[string](), items(1), scalar("string")},
		{"string 0 of 0", reflect.TypeFor[string](), items(0), scalar("string")},
		{"not a string", reflect.TypeFor[string](), items(raw(majorText<<5 | indefinite)), scalar("string")},
		{"item with head", reflect.TypeFor[int8](), items(raw(majorUint<<5 | 28)), scalar("int8")},
		{"not a lock", reflect.TypeFor[struct{ n int8 }](), items(array(2), 1, 1),
			items(array(3), array(3), "struct", "s", array(4), "n", 1, "gone", 2, array(2), "int8", "int8", array(2), "lock", "sync.Mutex")},
		{"not a lock", reflect.TypeFor[struct {
			n  int8
			mu sync.Mutex
		}](), items(array(2), 1, 1),
			items(array(3), array(3), "struct", "s", array(4), "n", 1, "mu", 2, array(2), "int8", "int8", array(2), "lock", "sync.Mutex")},
		{"pointer to 2", reflect.TypeFor[*int8](), items(array(1), 2, 1), onePointer},
		{"object 1 of 0", reflect.TypeFor[*int8](), items(1), onePointer},
		{"object 0 of 0", reflect.TypeFor[*int8](), items(0), onePointer},
		{"object of two types", reflect.TypeFor[pointers](), items(array(2), array(1), 1, 1, 5), twoPointers},
		{"1 values instead of 2", reflect.TypeFor[[]int8](), items(array(1), 2, array(1), 5), intSlice},
		{"3 values instead of 2", reflect.TypeFor[[]int8](), items(array(1), 2, array(3), 5, 5, 5), intSlice},
		{"3 bytes instead of 2", reflect.TypeFor[[]uint8](), items(array(1), 2, []byte("abc")), bytesSlice},
		{"1 bytes instead of 2", reflect.TypeFor[[]uint16](), items(array(1), 2, []byte("a")), bytesSlice},
		{"1 entries instead of 2", reflect.TypeFor[map[int8]int8](), items(array(1), 2, pairs(1), 1, 1), intMap},
		{"same key twice", reflect.TypeFor[map[int8]int8](), items(array(1), 2, pairs(2), 1, 1, 1, 2), intMap},
		{"no type", reflect.TypeFor[any](), items(array(2), array(0), 1), iface},
		{`interface of type "odd"`, reflect.TypeFor[any](), items(array(2), array(1), array(2), "int8", "odd", 1), iface},
		{"key of a map can't be compared", reflect.TypeFor[map[any]int8](),
			items(array(1), 1, pairs(1), array(2), array(2), array(3), "slice", "[]int8", 4, array(2), "int8", "int8", array(1), 0, 1, array(0)),
			items(array(3), array(4), "map", "map[interface {}]int8", 1, 2, array(2), "interface", "interface {}", array(2), "int8", "int8")},
		{"1 entries instead of 2", reflect.TypeFor[struct{ n int8 }](), items(array(2), 1, array(1), 2, pairs(1), 1, 1),
			items(array(3), array(3), "struct", "s", array(4), "n", 2, "gone", 1, array(4), "map", "m", 2, 2, array(2), "int8", "int8")},
		{"1 values instead of 2", reflect.TypeFor[struct{ n int8 }](), items(array(2), 1, array(1), 2, array(1), 1),
			items(array(3), array(3), "struct", "s", array(4), "n", 2, "gone", 1, array(3), "slice", "s", 2, array(2), "int8", "int8")},
	} {
		b := forged(c.body, c.nodes)
		if _, _, err := Decode(bytes.NewReader(b), c.to, DecodeOptions{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.about) {
			t.Errorf("got %v, want ErrCorrupt with %q", err, c.about)
		}
	}
}

// TestForgedLists replaces the head of the list of values, which must be an array of indefinite length.
func TestForgedLists(t *testing.T) {
	whole := forged(items(1), scalar("int8"))
	at := bytes.IndexByte(whole, majorArray<<5|indefinite)
	for _, head := range []byte{majorArray<<5 | 1, majorMap<<5 | indefinite, majorUint << 5} {
		b := bytes.Clone(whole)
		b[at] = head
		if _, err := decodeAs[int8](b); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "list of values missing") {
			t.Errorf("%#x: got %v", head, err)
		}
	}
}

// TestForgedHeaders reads streams that begin with something else.
func TestForgedHeaders(t *testing.T) {
	write := func(all ...any) []byte {
		var b bytes.Buffer
		w := newWriter(&b)
		items(all...)(w)
		w.Flush()
		return b.Bytes()
	}
	for about, b := range map[string][]byte{
		"item of type":              write(1),
		"tag 55798":                 write(raw(majorTag<<5|25), raw(0xd9), raw(0xf6)),
		"7 values instead of 8":     write(raw(majorTag<<5|25), raw(0xd9), raw(0xf7), array(7)),
		"not a state":               write(raw(majorTag<<5|25), raw(0xd9), raw(0xf7), array(8), "other"),
		"format 0":                  write(raw(majorTag<<5|25), raw(0xd9), raw(0xf7), array(8), magic, 0),
		"not a string":              write(raw(majorTag<<5|25), raw(0xd9), raw(0xf7), array(8), magic, format, 1),
		"not a 64-bit integer":      write(raw(majorTag<<5|25), raw(0xd9), raw(0xf7), array(8), magic, format, "", "x"),
		"the stream ends too early": write(raw(majorTag<<5|25), raw(0xd9)),
	} {
		if _, err := ReadHeader(bytes.NewReader(b)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), about) {
			t.Errorf("got %v, want ErrCorrupt with %q", err, about)
		}
	}
}

// TestEveryLimit decodes with every limit that is too low: the error must be ErrLimit.
func TestEveryLimit(t *testing.T) {
	value := map[string]*node{"a": {name: "n", seen: map[key]*node{{"k", "l"}: nil}, any: []any{1, "x"}}, "b": nil}
	b := encode(t, value)
	to := reflect.TypeOf(value)
	_, whole, err := Decode(bytes.NewReader(b), to, DecodeOptions{MaxBytes: int64(len(b))})
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(len(b)) - 1 {
		if _, _, err := Decode(bytes.NewReader(b), to, DecodeOptions{MaxBytes: n + 1}); !errors.Is(err, ErrLimit) {
			t.Errorf("at most %d of %d bytes: %v", n+1, len(b), err)
		}
	}
	if _, _, err := Decode(bytes.NewReader(b), to, DecodeOptions{MaxMemory: whole.Bytes}); err != nil {
		t.Error(err)
	}
	for n := range whole.Bytes - 1 {
		if _, _, err := Decode(bytes.NewReader(b), to, DecodeOptions{MaxMemory: n + 1}); !errors.Is(err, ErrLimit) {
			t.Errorf("at most %d of %d bytes of memory: %v", n+1, whole.Bytes, err)
		}
	}
}

// idle is a reader that returns nothing several times before each byte, as readers may.
type idle struct {
	r     io.Reader
	times int // before each byte
	left  int
}

func (i *idle) Read(p []byte) (int, error) {
	if i.left > 0 {
		i.left--
		return 0, nil
	}
	i.left = i.times
	return i.r.Read(p[:1])
}

func TestReadersThatReturnNothing(t *testing.T) {
	b := encode(t, 1)
	if _, _, err := Decode(&idle{r: bytes.NewReader(b), times: 99, left: 99}, nil, DecodeOptions{}); err != nil {
		t.Errorf("a byte at the hundredth time: %v", err)
	}
	if _, _, err := Decode(&idle{r: bytes.NewReader(b), times: 100, left: 100}, nil, DecodeOptions{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want io.ErrNoProgress", err)
	}
}
