//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sohost/sohost/abi"
)

type (
	point struct {
		at    int64
		value [2]float64
		n     atomic.Uint32
		small int16
		kind  uint16
	}
	pointReordered struct { // reordered, wider, one field less and one more
		value [3]float64
		added string
		small int64
		at    int64
		n     uint64
	}
	pointGaps struct {
		at    int64
		small int16 // and a gap
		value [2]float64
		n     uint32
		kind  uint16
	}
)

func points(n int) []point {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]point, n)
	for i := range all {
		p := &all[i]
		p.at, p.value, p.small, p.kind = r.Int64()-math.MaxInt64/2, [2]float64{r.NormFloat64(), math.Inf(1)}, int16(i-n/2), uint16(i)
		p.n.Store(r.Uint32())
	}
	return all
}

// TestPacked writes numbers packed, and reads them as they are, as other types, not at all, and as JSON. The same values come of what
// isn't packed because there are gaps.
func TestPacked(t *testing.T) {
	type holder[T any] struct {
		points []T
		after  string
	}
	want := points(5000)
	b := encode(t, holder[point]{want, "x"})
	if least := 5000 * int(reflect.TypeFor[point]().Size()); len(b) < least || len(b) > least+1000 {
		t.Fatalf("%d bytes for %d", len(b), least)
	}
	same, err := decodeAs[holder[point]](b)
	if err != nil || same.after != "x" || !reflect.DeepEqual(same.points, want) {
		t.Errorf("%v, %d points", err, len(same.points))
	}
	other, err := decodeAs[holder[pointReordered]](b)
	if err != nil || len(other.points) != len(want) || other.after != "x" {
		t.Fatalf("%v, %d points", err, len(other.points))
	}
	behind, err := decodeAs[holder[*pointReordered]](b)
	if err != nil || len(behind.points) != len(want) {
		t.Fatalf("%v, %d points", err, len(behind.points))
	}
	for i := range want {
		w := &want[i]
		p := pointReordered{value: [3]float64{w.value[0], w.value[1]}, small: int64(w.small), at: w.at, n: uint64(w.n.Load())}
		if other.points[i] != p || *behind.points[i] != p {
			t.Fatalf("point %d is %v and %v, want %v", i, other.points[i], *behind.points[i], p)
		}
	}
	type pair struct{ a, b int32 }
	swapped, err := decodeAs[[]struct{ b, a int32 }](encode(t, []pair{63: {1, 2}}))
	if err != nil || swapped[63].a != 1 || swapped[63].b != 2 {
		t.Errorf("%v: swapped fields are %v", err, swapped)
	}
	more, err := decodeAs[[]struct{ a, c, b int32 }](encode(t, []pair{63: {1, 2}}))
	if err != nil || more[63].a != 1 || more[63].b != 2 || more[63].c != 0 {
		t.Errorf("%v: with a field between them they are %v", err, more)
	}
	if none, err := decodeAs[struct{ after string }](b); err != nil || none.after != "x" {
		t.Errorf("without the points: %v, %q", err, none.after)
	}
	gaps, err := decodeAs[holder[pointGaps]](b)
	if err != nil {
		t.Fatal(err)
	}
	if json, unpacked := jsonOf(t, b), jsonOf(t, encode(t, gaps)); json == "" || len(json) != len(unpacked) || !strings.Contains(json, `"+Inf"`) {
		t.Errorf("%d bytes of JSON, of the same that isn't packed %d", len(json), len(unpacked))
	}
	back, err := decodeAs[holder[point]](encode(t, gaps))
	if err != nil || !reflect.DeepEqual(back.points, want) {
		t.Errorf("through a type with gaps: %v", err)
	}
}

// jsonOf returns a stream as JSON.
func jsonOf(t *testing.T, b []byte) string {
	t.Helper()
	tree, err := ReadTree(bytes.NewReader(b), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tree.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestPackedArrays packs arrays, whatever holds them.
func TestPackedArrays(t *testing.T) {
	type state struct {
		fixed [100]int32
		maps  map[int][40]uint64
		few   []int64
	}
	want := state{fixed: [100]int32{7: -7}, maps: map[int][40]uint64{3: {39: 9}}, few: []int64{1, -2}}
	b := encode(t, want)
	if got, err := decodeAs[state](b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %v", err, got)
	}
	wide, err := decodeAs[struct {
		fixed [101]int64
		maps  map[int64][40]uint64
		few   []int64
	}](b)
	if err != nil || wide.fixed[7] != -7 || wide.maps[3][39] != 9 || len(wide.few) != 2 {
		t.Errorf("wider: %v: %v", err, wide)
	}
}

// TestPackedDamaged damages packed values, with correct checksums. Formats before 3 have none.
func TestPackedDamaged(t *testing.T) {
	numbers := func(n int, body any) []byte {
		return forged(items(array(1), n, body), items(array(2), array(3), "slice", "[]int16", 1, array(2), "int16", "int16"))
	}
	if got, err := decodeAs[[]int16](numbers(2, []byte{1, 0, 255, 255})); err != nil || !reflect.DeepEqual(got, []int16{1, -1}) {
		t.Errorf("%v: %v", err, got)
	}
	texts := forged(items(array(1), 2, []byte("abcd")), items(array(2), array(3), "slice", "[]string", 1, array(2), "string", "string"))
	old := numbers(2, []byte{1, 0, 255, 255})
	old = mended(bytes.Replace(old, append([]byte(magic), packedFormat), append([]byte(magic), packedFormat-1), 1))
	for name, c := range map[string]struct {
		b  []byte
		to reflect.Type
	}{
		"too few":        {numbers(2, []byte{1, 0, 2}), reflect.TypeFor[[]int16]()},
		"too many":       {numbers(2, []byte{1, 0, 2, 0, 3, 0}), reflect.TypeFor[[]int32]()},
		"texts":          {texts, reflect.TypeFor[[]string]()},
		"an old format":  {old, reflect.TypeFor[[]int16]()},
		"of other types": {numbers(1<<40, []byte{1, 0}), reflect.TypeFor[[]int64]()},
	} {
		_, _, err := Decode(bytes.NewReader(c.b), c.to, DecodeOptions{MaxMemory: 1 << 20})
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ReadTree(bytes.NewReader(c.b), DecodeOptions{MaxMemory: 1 << 20}); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
			t.Errorf("%s, as a tree: %v", name, err)
		}
	}
	whole := encode(t, points(5000)) // longer than the buffer
	for _, n := range []int{100, 70_000, len(whole) - 1} {
		if _, err := decodeAs[[]point](whole[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	if _, err := decodeAs[[]point](flipped); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a wrong bit: %v", err)
	}
}

// BenchmarkFlat writes and reads 100 MB of numbers.
func BenchmarkFlat(b *testing.B) {
	series := make([]float64, 100<<20/8)
	for i := range series {
		series[i] = float64(i) / 3
	}
	stream := encode(b, series)
	b.Run("copy", func(b *testing.B) {
		for b.Loop() {
			copy(make([]float64, len(series)), series)
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if err := Encode(io.Discard, abi.State{Value: series}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Decode(bytes.NewReader(stream), reflect.TypeFor[[]float64](), DecodeOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
