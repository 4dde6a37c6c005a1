package state

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestDeadlineLooks copies what is far too large for the time that there is. What is allocated by then shows how much was done
// without a look at the time: nothing that is as large as the whole.
func TestDeadlineLooks(t *testing.T) {
	large := map[int64][1 << 20]byte{}
	for i := range int64(200) {
		large[i] = [1 << 20]byte{}
	}
	many := make(map[int64][100]byte, 600_000)
	for i := range int64(600_000) {
		many[i] = [100]byte{}
	}
	one := new(int64)
	for _, test := range []struct {
		name  string
		value any
		time  time.Duration
		most  uint64 // bytes
	}{
		{"a map of large entries", large, 10 * time.Millisecond, 100 << 20},
		{"a map of many entries", many, 35 * time.Millisecond, 50 << 20},
		{"a slice of pointers", slices.Repeat([]*int64{one}, 5_000_000), 45 * time.Millisecond, 30 << 20},
		{"a large array", &[4 << 20][]byte{}, 45 * time.Millisecond, 30 << 20},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, _, err := Snapshot(test.value, Options{Deadline: time.Now().Add(test.time)})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrDeadline) {
			t.Errorf("%s: %v", test.name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > test.most {
			t.Errorf("%s: %d MB were allocated in %v", test.name, got>>20, test.time)
		}
	}
}

// TestQueueStaysShort copies a long slice of pointers: the list of what is left to copy doesn't become as long.
func TestQueueStaysShort(t *testing.T) {
	value := make([]*[]int64, 50_000)
	for i := range value {
		value[i] = &[]int64{int64(i)}
	}
	var m mover
	copied, _, err := m.copy(value)
	if err != nil || !reflect.DeepEqual(copied, value) {
		t.Errorf("the copy differs: %v", err)
	}
	if n := cap(m.queue); n > 4*batch {
		t.Errorf("the list has become %d long", n)
	}
}

// TestUncleared copies plain values, so many that their memory isn't cleared before.
func TestUncleared(t *testing.T) {
	type pair struct {
		A int64
		B uint16
	}
	type value struct {
		Bytes []byte
		Pairs []pair
		Array *[1 << 18]pair
	}
	v := &value{Bytes: make([]byte, 3<<20+5), Pairs: make([]pair, 200_001), Array: new([1 << 18]pair)}
	for i := range v.Bytes {
		v.Bytes[i] = byte(rand.Uint32())
	}
	for i := range v.Pairs {
		v.Pairs[i] = pair{int64(i), uint16(i)}
		v.Array[i] = pair{-int64(i), uint16(i)}
	}
	for range 3 { // in memory that was used before
		copied, _, err := Copy(v, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := copied.(*value)
		if !bytes.Equal(c.Bytes, v.Bytes) || !slices.Equal(c.Pairs, v.Pairs) || *c.Array != *v.Array {
			t.Error("the copy differs")
		}
		if &c.Bytes[0] == &v.Bytes[0] || cap(c.Bytes) != len(v.Bytes) {
			t.Errorf("the copy isn't one of its own, or has room for %d", cap(c.Bytes))
		}
		runtime.GC()
	}
}

// TestClashInTime ends the search for memory that two things refer to once its time is up.
func TestClashInTime(t *testing.T) {
	x := extents{on: true}
	for range 10_000 {
		x.list = append(x.list, extent{start: uintptr(rand.Uint32())})
	}
	x.clash(&clock{until: time.Now()})
	byStart := func(a, b extent) int { return int(a.start) - int(b.start) }
	if slices.IsSortedFunc(x.list, byStart) {
		t.Error("all of it was sorted")
	}
	x.clash(new(clock))
	if !slices.IsSortedFunc(x.list, byStart) {
		t.Error("it was not sorted")
	}
}
