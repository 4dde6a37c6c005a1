//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"testing"

	"github.com/sohost/sohost/abi"
)

// The benchmarks' state holds a million entries of the plugin's own type, behind pointers.
type (
	hit1 struct {
		hits int64
		tags []string
		next *hit1
	}
	hit2 struct {
		hits int64
		tags []string
		next *hit2
	}
	hit3 struct {
		hits  int64
		tags  []string
		next  *hit3
		added int
	}
)

func million() map[string]*hit1 {
	m := make(map[string]*hit1, 1_000_000)
	for i := range 1_000_000 {
		key := fmt.Sprintf("key-%d", i)
		m[key] = &hit1{hits: int64(i), tags: []string{key}}
	}
	return m
}

func benchmarkMove[To any](b *testing.B, want Way) {
	m := million()
	p := Compare(reflect.TypeOf(m), reflect.TypeFor[To]())
	if p.Way != want {
		b.Fatal(p.Way)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Move(m, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(m)
}

func BenchmarkMillionAdopt(b *testing.B)   { benchmarkMove[map[string]*hit2](b, ByAdoption) }
func BenchmarkMillionConvert(b *testing.B) { benchmarkMove[map[string]*hit3](b, ByConversion) }

func BenchmarkMillionEncode(b *testing.B) {
	m := million()
	b.ReportAllocs()
	for b.Loop() {
		if err := Encode(io.Discard, abi.State{Value: m}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMillionDecode(b *testing.B) {
	var buf bytes.Buffer
	if err := Encode(&buf, abi.State{Value: million()}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(bytes.NewReader(buf.Bytes()), reflect.TypeFor[map[string]*hit2](), DecodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// A state with interfaces is walked before it is adopted.
func BenchmarkMillionVerify(b *testing.B) {
	m := make(map[string]any, 1_000_000)
	for i := range 1_000_000 {
		m[fmt.Sprint(i)] = int64(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if reason := verify(m, Options{}, false); reason != nil {
			b.Fatal(reason)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	from, to := reflect.TypeFor[*node](), reflect.TypeFor[*node2]()
	for b.Loop() {
		newPlan(from, to)
	}
}
