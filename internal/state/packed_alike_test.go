package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"
)

// numeric makes a random type of numbers, and types that it can be converted to.
type numeric struct {
	kind   reflect.Kind
	elem   *numeric
	len    int
	fields []*numeric
}

func randomNumeric(r *rand.Rand, depth int) *numeric {
	kinds := []reflect.Kind{reflect.Array, reflect.Struct, reflect.Struct}
	if depth == 0 || r.IntN(2) == 0 {
		kinds = []reflect.Kind{
			reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
			reflect.Float32, reflect.Float64, reflect.Complex64,
		}
	}
	n := &numeric{kind: kinds[r.IntN(len(kinds))]}
	switch n.kind {
	case reflect.Array:
		n.elem, n.len = randomNumeric(r, depth-1), 1+r.IntN(3)
	case reflect.Struct:
		for range 1 + r.IntN(4) {
			n.fields = append(n.fields, randomNumeric(r, depth-1))
		}
	}
	return n
}

func (n *numeric) exact() reflect.Type {
	switch n.kind {
	case reflect.Array:
		return reflect.ArrayOf(n.len, n.elem.exact())
	case reflect.Struct:
		var fields []reflect.StructField
		for i, f := range n.fields {
			fields = append(fields, reflect.StructField{Name: fmt.Sprint("F", i), Type: f.exact()})
		}
		return reflect.StructOf(fields)
	}
	return basic[n.kind]
}

// converted returns a type with wider numbers, longer arrays, pointers, and fields that are gone, new, and elsewhere. Some are refused.
func (n *numeric) converted(r *rand.Rand) (t reflect.Type) {
	switch n.kind {
	case reflect.Array:
		t = reflect.ArrayOf(n.len+r.IntN(2), n.elem.converted(r))
	case reflect.Struct:
		fields := []reflect.StructField{{Name: "Added", Type: basic[leaves[r.IntN(len(leaves))]]}}[:r.IntN(2)]
		for i, f := range n.fields {
			if r.IntN(5) > 0 {
				fields = append(fields, reflect.StructField{Name: fmt.Sprint("F", i), Type: f.converted(r)})
			}
		}
		if r.IntN(2) == 0 {
			r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		}
		t = reflect.StructOf(fields)
	default:
		t = basic[n.kind]
		if w := widest[n.kind]; w != nil && r.IntN(3) == 0 {
			t = w
		}
	}
	if r.IntN(8) == 0 && t.Kind() != reflect.Pointer {
		t = reflect.PointerTo(t)
	}
	return t
}

// inBoxes returns a type whose slices aren't packed.
func inBoxes(t reflect.Type) reflect.Type {
	return reflect.StructOf([]reflect.StructField{{Name: "V", Type: t}, {Name: "Box", Type: reflect.TypeFor[bool]()}})
}

// unboxed returns what is in the boxes of a slice, as a slice of that type.
func unboxed(boxes reflect.Value, elem reflect.Type) any {
	all := reflect.MakeSlice(reflect.SliceOf(elem), boxes.Len(), boxes.Len())
	for i := range boxes.Len() {
		all.Index(i).Set(boxes.Index(i).Field(0))
	}
	return all.Interface()
}

// alike writes random numbers packed, and the same ones in boxes, which aren't. Whatever reads both must find the same. It returns the
// packed stream and a type that it was read as.
func alike(t *testing.T, seed uint64) (packed []byte, other reflect.Type) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	n := randomNumeric(r, 3)
	elem := n.exact()
	for size := elem.Size(); size > 200 || elem.Kind() == reflect.Uint8 || !(shaper{}).of(elem).gapless(); size = elem.Size() {
		n = randomNumeric(r, 3)
		elem = n.exact()
	}
	count := packedFrom/int(elem.Size()) + 1 + r.IntN(20)
	values, boxes := reflect.MakeSlice(reflect.SliceOf(elem), count, count), reflect.MakeSlice(reflect.SliceOf(inBoxes(elem)), count, count)
	memory := unsafe.Slice((*byte)(values.UnsafePointer()), count*int(elem.Size()))
	for i := range memory {
		memory[i] = byte(r.Uint32())
	}
	for i := range count {
		boxes.Index(i).Field(0).Set(values.Index(i))
	}
	packed, plain := encode(t, values.Interface()), encode(t, boxes.Interface())
	if !bytes.Contains(packed, memory) {
		t.Fatalf("seed %d: %v isn't packed", seed, elem)
	}
	other = n.converted(r)
	for _, to := range []reflect.Type{elem, other} {
		got, _, err := Decode(bytes.NewReader(packed), reflect.SliceOf(to), DecodeOptions{})
		want, _, wantErr := Decode(bytes.NewReader(plain), reflect.SliceOf(inBoxes(to)), DecodeOptions{})
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("seed %d: %v as %v: %v; in boxes: %v", seed, elem, to, err, wantErr)
		}
		if err == nil && dumped(got.Value) != dumped(unboxed(reflect.ValueOf(want.Value), to)) {
			t.Fatalf("seed %d: %v as %v is %v, and in boxes %v", seed, elem, to, got.Value, want.Value)
		}
	}
	var elems []any
	var inBox []struct{ V any }
	if json.Unmarshal([]byte(stateOf(t, packed)), &elems) != nil || json.Unmarshal([]byte(stateOf(t, plain)), &inBox) != nil || len(elems) != len(inBox) {
		t.Fatalf("seed %d: as JSON: %d values, in boxes %d", seed, len(elems), len(inBox))
	}
	for i := range elems {
		if !reflect.DeepEqual(elems[i], inBox[i].V) {
			t.Fatalf("seed %d: element %d as JSON: %v, in boxes %v", seed, i, elems[i], inBox[i].V)
		}
	}
	return packed, other
}

// stateOf returns the value of a stream as JSON.
func stateOf(t *testing.T, b []byte) string {
	t.Helper()
	var whole struct{ State json.RawMessage }
	if err := json.Unmarshal([]byte(jsonOf(t, b)), &whole); err != nil {
		t.Fatal(err)
	}
	return string(whole.State)
}

// TestPackedAlike is FuzzPacked for every run.
func TestPackedAlike(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 150
	}
	for seed := range seeds {
		alike(t, seed)
	}
}

// FuzzPacked compares packed numbers of random types with such that aren't packed, and damages them.
func FuzzPacked(f *testing.F) {
	f.Add(uint64(1), uint16(100), byte(7))
	f.Fuzz(func(t *testing.T, seed uint64, at uint16, with byte) {
		packed, other := alike(t, seed)
		packed[int(at)%len(packed)] = with
		const limit = 1 << 20
		before := allocated()
		b := mended(packed)
		Decode(bytes.NewReader(b), reflect.SliceOf(other), DecodeOptions{MaxBytes: limit, MaxMemory: limit})
		ReadTree(bytes.NewReader(b), DecodeOptions{MaxBytes: limit, MaxMemory: limit})
		if n := allocated() - before; n > 64*limit {
			t.Errorf("%d bytes allocated for %d", n, len(b))
		}
	})
}

// TestPackedBeside packs numbers beside other values, whose places depend on where the packed ones end.
func TestPackedBeside(t *testing.T) {
	type state struct {
		A []uint32
		S string
		B [3][80]int16
		M map[string][100]float32
	}
	want := state{make([]uint32, 70_000), "between", [3][80]int16{2: {79: -1}}, map[string][100]float32{"k": {99: 0.5}}}
	for i := range want.A {
		want.A[i] = uint32(i) << 7
	}
	b := encode(t, want)
	for _, less := range []any{struct{ S string }{}, struct{ M map[string][100]float64 }{}, struct{ B [4][80]int32 }{}} {
		got, _, err := Decode(bytes.NewReader(b), reflect.TypeOf(less), DecodeOptions{})
		right := false
		switch v := got.Value.(type) {
		case struct{ S string }:
			right = v.S == want.S
		case struct{ M map[string][100]float64 }:
			right = v.M["k"][99] == 0.5
		case struct{ B [4][80]int32 }:
			right = v.B[2][79] == -1
		}
		if err != nil || !right {
			t.Errorf("%T: %v, %.100v", less, err, got.Value)
		}
	}
}
