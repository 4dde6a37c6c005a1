//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"runtime/metrics"
	"testing"

	"github.com/sohost/sohost/abi"
)

// hostile is a type that exercises everything that reading does.
type hostile struct {
	all   *everything
	wide  []int64
	value map[string]record
	other record
	iface map[any]any
	fixed [4]int32
	big   [][1 << 12]int16
}

// FuzzDecode checks that no input causes a panic or takes more memory than allowed. The checksums of the input are corrected
// first, as an attacker would do.
func FuzzDecode(f *testing.F) {
	few := full()
	few.strs, few.next = map[string]string{"k": "v"}, nil
	f.Add(encode(f, &struct {
		all   *everything
		wide  []byte
		value map[string]*entry
		other *entry
		iface map[any]any
		fixed [2]int16
		gone  []any
	}{few, []byte{1, 2}, map[string]*entry{"a": {1, 2}}, &entry{}, map[any]any{1: []any{"x"}}, [2]int16{1, 2}, []any{few.any}}))
	f.Add(encode(f, map[string]int{"a": 1}))
	f.Add(encode(f, &struct { // packed
		wide []int32
		big  [][1 << 11]int16
		gone []point
	}{make([]int32, 100), make([][1 << 11]int16, 1), points(10)}))
	f.Add(encode(f, nil))
	to := reflect.TypeFor[*hostile]()
	f.Fuzz(func(t *testing.T, b []byte) {
		b = mended(b)
		const limit = 1 << 20
		before := allocated()
		for _, to := range []reflect.Type{to, nil} {
			s, _, err := Decode(bytes.NewReader(b), to, DecodeOptions{MaxBytes: limit, MaxMemory: limit})
			if err == nil {
				dumped([]any{s.Value})
				if err := Encode(&bytes.Buffer{}, s); err != nil && !errors.Is(err, ErrRefused) {
					t.Error(err)
				}
			} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) && !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
		}
		if n := allocated() - before; n > 64*limit { // what reading took besides the value, and the checks above
			t.Errorf("%d bytes allocated for %d", n, len(b))
		}
	})
}

// mended returns b with correct checksums: the one in the head, if it is where Encode puts it, and the last one.
func mended(b []byte) []byte {
	b = bytes.Clone(b)
	for i := 5; i < len(b); i++ {
		if b[i] == majorArray<<5|indefinite && b[i-5] == 26 {
			mend(b[:i])
			break
		}
	}
	if len(b) > 5 && b[len(b)-5] == 26 {
		mend(b)
	}
	return b
}

func mend(b []byte) {
	sum := crc32.Checksum(b[:len(b)-5], castagnoli())
	copy(b[len(b)-4:], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// TestDecodeMutations is the fuzz test for every run: it decodes streams with a few bytes changed and correct checksums.
func TestDecodeMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	whole := encode(t, map[string]any{"a": []any{1, map[string]any{"b": abi.Arg{Name: "k"}}}, "c": &abi.Arg{}})
	full := encode(t, &hostile{all: full(), iface: map[any]any{1: "x"}, wide: make([]int64, 40)})
	for range 5_000 {
		b := bytes.Clone([][]byte{whole, full}[r.IntN(2)])
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		b = mended(b)
		for _, to := range []reflect.Type{reflect.TypeFor[*hostile](), nil} {
			Decode(bytes.NewReader(b), to, DecodeOptions{MaxBytes: 1 << 20, MaxMemory: 1 << 20})
		}
	}
}
