//lint:file-ignore U1000 the fields are there for their memory

package state

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

// BenchmarkShapes measures what callers wait for in a handover of 100,000 records in several types: for all of the state, and, if it can
// go ahead, for the last hundred records that have changed.
func BenchmarkShapes(b *testing.B) {
	const n = 100_000
	records := hoardOf(n).Records
	key := func(i int) string { return fmt.Sprintf("record-%09d", i) }
	kept := &struct {
		m keep.Map[string, hoardRecord]
	}{}
	flat := &struct{ m map[string]hoardRecord }{records}
	pointers := &struct{ m map[string]*hoardRecord }{map[string]*hoardRecord{}}
	lists := &struct{ m map[string][]hoardRecord }{map[string][]hoardRecord{}}
	nested := &struct {
		m map[string]map[string]hoardRecord
	}{map[string]map[string]hoardRecord{}}
	list := &struct{ l []hoardRecord }{}
	index := &struct {
		m map[string]*hoardRecord
		l []*hoardRecord
	}{m: map[string]*hoardRecord{}}
	for i := range n {
		r, group := records[key(i)], key(i/10)
		kept.m.Set(key(i), r)
		pointers.m[key(i)] = &r
		lists.m[group] = append(lists.m[group], r)
		if nested.m[group] == nil {
			nested.m[group] = map[string]hoardRecord{}
		}
		nested.m[group][key(i)] = r
		list.l = append(list.l, r)
		index.m[key(i)] = &r
		index.l = append(index.l, &r)
	}
	for _, shape := range []struct {
		name   string
		state  any
		change func(i int, r hoardRecord)
	}{
		{"keep.Map", kept, func(i int, r hoardRecord) { kept.m.Set(key(i), r) }},
		{"values", flat, func(i int, r hoardRecord) { flat.m[key(i)] = r }},
		{"pointers", pointers, func(i int, r hoardRecord) { *pointers.m[key(i)] = r }},
		{"slices", lists, func(i int, r hoardRecord) { lists.m[key(i/10)][i%10] = r }},
		{"maps", nested, func(i int, r hoardRecord) { nested.m[key(i/10)][key(i)] = r }},
		{"slice", list, nil},
		{"twice", index, nil},
	} {
		benchmarkShape(b, shape.name, shape.state, n, shape.change)
	}
}

// benchmarkShape measures a state that goes ahead if change isn't nil.
func benchmarkShape(b *testing.B, name string, state any, n int, change func(i int, r hoardRecord)) {
	t := reflect.TypeOf(state)
	if GoesAhead(t, true) != (change != nil) {
		b.Fatalf("%v goes ahead: %v", t, change == nil)
	}
	b.Run(name+"/whole", func(b *testing.B) {
		for b.Loop() {
			r, w, _ := os.Pipe()
			go func() { Encode(w, abi.State{Value: state}); w.Close() }()
			if _, _, err := Decode(r, t, DecodeOptions{}); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	if change == nil {
		return
	}
	b.Run(name+"/ahead", func(b *testing.B) {
		a := Track(state, true)
		defer a.End()
		if _, err := a.Read(time.Time{}); a.Reads() && err != nil {
			b.Fatal(err)
		}
		base, end := a.Base()
		var buf bytes.Buffer
		Encode(&buf, abi.State{Value: base})
		end()
		got, _, _ := Decode(&buf, t, DecodeOptions{})
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			for j := range 100 {
				change(j*n/100, hoardRecord{i, "changed"})
			}
			b.StartTimer()
			got.Value = passOn(b, a, got.Value)
		}
	})
}

// passOn has a receiver take the last changes.
func passOn(b *testing.B, a *Ahead, got any) any {
	changed, _, _, _, err := a.Changes(true)
	if err != nil {
		b.Fatal(err)
	}
	var buf bytes.Buffer
	if err := Encode(&buf, abi.State{Value: changed}); err != nil {
		b.Fatal(err)
	}
	c, _, err := Decode(io.Reader(&buf), reflect.TypeOf(got), DecodeOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return Merge(got, c.Value)
}
