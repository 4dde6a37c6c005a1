package state

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

type hoardRecord struct {
	Seq  int
	Text string
}

type hoard struct {
	Count   int
	Records map[string]hoardRecord
}

func hoardOf(n int) *hoard {
	h := &hoard{Count: 1, Records: map[string]hoardRecord{}}
	for i := range n {
		h.Records[fmt.Sprintf("record-%09d", i)] = hoardRecord{i, strings.Repeat(fmt.Sprint(i%10), 72)}
	}
	return h
}

// BenchmarkHoard writes and reads records of about a hundred bytes in a Go map, through a pipe as in a handover, too.
func BenchmarkHoard(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		h := hoardOf(n)
		b.Run(fmt.Sprint("encode/", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := Encode(io.Discard, abi.State{Value: h}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
		var buf bytes.Buffer
		Encode(&buf, abi.State{Value: h})
		b.Run(fmt.Sprint("decode/", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(bytes.NewReader(buf.Bytes()), reflect.TypeOf(h), DecodeOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
		b.Run(fmt.Sprint("pipe/", n), func(b *testing.B) {
			for b.Loop() {
				r, w, _ := os.Pipe()
				go func() { Encode(w, abi.State{Value: h}); w.Close() }()
				if _, _, err := Decode(r, reflect.TypeOf(h), DecodeOptions{}); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
	}
}

// BenchmarkMirror does what callers wait for if records have gone ahead: reads all of them once more, to send a hundred that have changed.
// Records that entries point to are changed in place.
func BenchmarkMirror(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		h := hoardOf(n)
		benchmarkMirror(b, fmt.Sprint("values/", n), n, h, func(key string, r hoardRecord) { h.Records[key] = r })
		pointed := &struct{ Records map[string]*hoardRecord }{map[string]*hoardRecord{}}
		for key, r := range h.Records {
			pointed.Records[key] = &r
		}
		benchmarkMirror(b, fmt.Sprint("pointers/", n), n, pointed, func(key string, r hoardRecord) { *pointed.Records[key] = r })
	}
}

func benchmarkMirror(b *testing.B, name string, n int, h any, set func(key string, r hoardRecord)) {
	b.Run(name, func(b *testing.B) {
		a := Track(h, true)
		if _, err := a.Read(time.Time{}); err != nil {
			b.Fatal(err)
		}
		a.Changes(false)
		for i := 0; b.Loop(); i++ {
			for j := range 100 {
				set(fmt.Sprintf("record-%09d", j*n/100), hoardRecord{i, "changed"})
			}
			changed, _, _, _, err := a.Changes(true)
			if err == nil {
				err = Encode(io.Discard, abi.State{Value: changed})
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
	})
}
