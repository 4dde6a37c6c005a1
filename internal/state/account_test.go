package state

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

// TestAccount compares what the encoder counts with what the decoder does: it must be the same, to the byte, for whatever value.
// And a stream that the encoder has written within a limit can be read within it.
func TestAccount(t *testing.T) {
	long := strings.Repeat("x", 1000)
	var kept struct{ M keep.Map[string, *entry] }
	for i := range 1000 {
		kept.M.Set(strings.Repeat("k", i), &entry{})
	}
	values := []any{
		1, "", long, []string{long, long, long + "y"}, map[string]string{long: long}, []any{long, 1, long, map[string]any{"a": long}},
		[]byte(long), map[string][]byte{"a": []byte(long)}, &kept, struct{ A, B *entry }{&entry{}, nil}, [][]int{nil, {}, {1, 2}},
	}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		v := reflect.New(maker{tag: `gen:"1"`}.make(&sort{kind: reflect.Struct, fields: []*sort{randomSort(r, 4, false), randomSort(r, 3, false)}}))
		(&filler{r, map[reflect.Type][]reflect.Value{}}).fill(v.Elem())
		values = append(values, v.Interface())
	}
	for i, value := range values {
		var b bytes.Buffer
		s := abi.State{Schema: "s", Version: 1, Value: value}
		counted, err := EncodeCounted(&b, s, DecodeOptions{})
		if errors.Is(err, ErrRefused) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_, r, err := Decode(bytes.NewReader(b.Bytes()), reflect.TypeOf(value), DecodeOptions{})
		if err != nil || r.Bytes != counted {
			t.Errorf("value %d, a %T: the encoder counts %d bytes, the decoder %d, %v", i, value, counted, r.Bytes, err)
		}
		if _, err := EncodeCounted(io.Discard, s, DecodeOptions{MaxMemory: counted}); err != nil {
			t.Errorf("value %d: within its own limit: %v", i, err)
		}
		if err := EncodeWithin(io.Discard, s, DecodeOptions{MaxMemory: counted - 1}); !errors.Is(err, ErrLimit) {
			t.Errorf("value %d: beyond its limit: %v", i, err)
		}
		n := int64(b.Len()) // another time it may differ a little, by the order of maps
		if err := EncodeWithin(io.Discard, s, DecodeOptions{MaxBytes: 2 * n}); err != nil {
			t.Errorf("value %d: within its own length: %v", i, err)
		}
		if err := EncodeWithin(io.Discard, s, DecodeOptions{MaxBytes: n / 2}); !errors.Is(err, ErrLimit) {
			t.Errorf("value %d: beyond its length: %v", i, err)
		}
	}
}

// TestSharedText writes one string with many references once, and takes it to any other type.
func TestSharedText(t *testing.T) {
	type from struct {
		Removed []string
		All     []string
		Byte    map[string]string
		Any     any
	}
	type to struct {
		All  []string
		Byte map[string]*string
		Any  any
	}
	long := strings.Repeat("x", 1000)
	other := strings.Clone(long)
	v := from{Removed: []string{long}, Byte: map[string]string{long: long, "b": other, long[:100]: long[1:]}, Any: []any{long, long[:63]}}
	for range 20_000 {
		v.All = append(v.All, long)
	}
	b := encode(t, v)
	if len(b) > 100_000 {
		t.Errorf("the stream has %d bytes", len(b))
	}
	for _, as := range []reflect.Type{reflect.TypeFor[from](), reflect.TypeFor[to]()} {
		s, r, err := Decode(bytes.NewReader(b), as, DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all := reflect.ValueOf(s.Value).FieldByName("All").Interface().([]string)
		if len(all) != len(v.All) || all[0] != long || all[len(all)-1] != long || r.Bytes > 1_000_000 {
			t.Errorf("%d strings, %d bytes", len(all), r.Bytes)
		}
		if x := reflect.ValueOf(s.Value).FieldByName("Any").Interface().([]any); x[0] != long || x[1] != long[:63] {
			t.Errorf("any is %.20v", x)
		}
	}
	s, _, _ := Decode(bytes.NewReader(b), reflect.TypeFor[from](), DecodeOptions{})
	if got := s.Value.(from); !reflect.DeepEqual(got, v) {
		t.Error("it isn't the same")
	}
}

// inFormat1 is a stream in format 1, of a state with one long string twice.
const inFormat1 = "d9d9f7886c736f686f7374207374617465016173038483667374727563746f73746174652e6f66466f726d61743186614101614201614d028266737472696e6766737472696e6784636d61706e6d61705b737472696e675d696e7401038263696e7463696e741a8965a2659f837864787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787864787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878788101a178647878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787807ff1a8650b74a"

type ofFormat1 struct {
	A, B string
	M    map[string]int
}

// TestFormat1 reads a stream that an earlier version has written.
func TestFormat1(t *testing.T) {
	b, err := hex.DecodeString(inFormat1)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := Decode(bytes.NewReader(b), reflect.TypeFor[ofFormat1](), DecodeOptions{})
	long := strings.Repeat("x", 100)
	if got, ok := s.Value.(ofFormat1); err != nil || !ok || got.A != long || got.B != long || got.M[long] != 7 || s.Schema != "s" || s.Version != 3 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestNewerFormat reads a stream of a newer program. That is no damage, of which there would be no more to keep, unless it is cut off or
// altered.
func TestNewerFormat(t *testing.T) {
	b := encode(t, "text")
	at := bytes.Index(b, []byte(magic)) + len(magic)
	b[at]++
	newer := mended(b)
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{"whole": {newer, ErrRefused}, "another checksum": {b, ErrCorrupt}, "cut off": {newer[:len(newer)-1], ErrCorrupt}} {
		if _, _, err := Decode(bytes.NewReader(c.stream), reflect.TypeFor[string](), DecodeOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ReadTree(bytes.NewReader(c.stream), DecodeOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s, as a tree: %v", name, err)
		}
	}
	if _, err := ReadHeader(bytes.NewReader(newer)); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "format 4") {
		t.Errorf("its header: %v", err)
	}
}
