//lint:file-ignore U1000 the fields are there for their places in memory

package state

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"unsafe"
)

func mirrorOf[K comparable, V any](m map[K]V) *mirror {
	return newMirror(shaper{}.of(reflect.TypeFor[map[K]V]()), *(*unsafe.Pointer)(unsafe.Pointer(&m)), newDeeps())
}

// changedOf returns the map of what take returns first.
func changedOf[K comparable, V any](m *mirror, last bool) map[K]V {
	changed, _, _ := m.take(last)
	return *(*map[K]V)(unsafe.Pointer(&changed))
}

// TestMirrorKeepsStrings replaces strings by others as long, while garbage is collected. None comes to lie where one lay that a mirror
// remembers, so it is seen that all have changed.
func TestMirrorKeepsStrings(t *testing.T) {
	has := map[string]string{}
	text := func(i, round int) string { return string(fmt.Appendf(nil, "%012d %04d", i, round)) }
	for i := range 1000 {
		has[text(i, 0)] = text(i, 0)
	}
	m := mirrorOf(has)
	for round := range 20 {
		m.readOn(new(clock), false)
		m.take(false)
		clear(has)
		runtime.GC()
		for i := range 1000 {
			has[text(i, 0)] = text(i, round)
		}
		m.readOn(new(clock), false)
		if changed := changedOf[string, string](m, false); !reflect.DeepEqual(changed, has) {
			t.Fatalf("round %d: %d entries are sent, want %d", round, len(changed), len(has))
		}
	}
}

// TestMirrorPauses: nothing that a mirror does takes long for a large map before it looks at the time.
func TestMirrorPauses(t *testing.T) {
	has := map[int]int{}
	for i := range 50_000 {
		has[i] = i
	}
	m := mirrorOf(has)
	m.readOn(new(clock), false)
	for i := range m.places {
		if n := len(m.places[i].slots); n > 1024 {
			t.Fatalf("one table has room for %d places, and grows at once", n)
		}
	}
	m.take(false)
	clear(has)
	has[1] = 1
	parts := 1
	for done := false; !done; parts++ {
		done, _ = m.readOn(stop(100), false)
	}
	if changed := changedOf[int, int](m, true); parts < 100 || !reflect.DeepEqual(changed, has) || m.known != 1 {
		t.Errorf("the others were forgotten in %d parts; %d entries are sent, and %d remembered", parts, len(changed), m.known)
	}
}

// TestMirrorLarge remembers a few values of many bytes, which takes no more memory than they.
func TestMirrorLarge(t *testing.T) {
	type large [1 << 20]byte
	has := map[int]large{1: {1}, 2: {2}}
	m := mirrorOf(has)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m.readOn(new(clock), false)
	m.take(false)
	delete(has, 2)
	m.take(true)
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
		t.Errorf("two values of 1 MB took %d MB", taken>>20)
	}
}

// TestMirrorBlank has keys with a pointer that is none of a string's, in a field that can't be set.
func TestMirrorBlank(t *testing.T) {
	type key struct {
		text string
		_    *int
	}
	has := map[key]int{{text: "a"}: 0}
	m := mirrorOf(has)
	m.readOn(new(clock), false)
	m.take(false)
	has[key{text: string([]byte("a"))}] = 0
	if m.readOn(new(clock), false); m.strays.len != 0 {
		t.Error("a key that is equal is taken for another")
	}
	has[key{text: "a"}] = 1
	if changed := changedOf[key, int](m, true); !reflect.DeepEqual(changed, has) {
		t.Errorf("the receiver is sent %v", changed)
	}
}
