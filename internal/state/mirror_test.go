package state

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// stop returns a clock whose time is up after so many steps.
func stop(steps int) *clock {
	return &clock{until: time.Unix(1, 0), steps: stepsPerLook - 1 - steps%stepsPerLook}
}

// mirrored changes a map at random between and within the sweeps of a mirror, sends what the mirror says, and returns the map, what the
// receiver has in the end, and how many entries were sent.
func mirrored[K comparable, V any](t *testing.T, r *rand.Rand, key func(n int) K, elem func(n int) V) (has, got map[K]V, sent int) {
	has, got = map[K]V{}, map[K]V{}
	keys := []int{2, 9, 100, 3000}[r.IntN(4)]
	m := mirrorOf(has)
	take := func(last bool) {
		changed, gone, err := m.take(last)
		if err != nil {
			t.Fatal(err)
		}
		sent += len(*(*map[K]V)(unsafe.Pointer(&changed))) + len(*(*map[K]V)(unsafe.Pointer(&gone)))
		maps.Copy(got, *(*map[K]V)(unsafe.Pointer(&changed)))
		for k := range *(*map[K]V)(unsafe.Pointer(&gone)) {
			delete(got, k)
		}
	}
	for range r.IntN(2 * keys) {
		has[key(r.IntN(keys))] = elem(r.IntN(2))
	}
	for range r.IntN(40) {
		for range r.IntN(1 + keys/8) {
			switch k := key(r.IntN(keys)); r.IntN(5) {
			case 0, 1:
				delete(has, k)
			case 2: // in another place, perhaps
				e, was := has[k]
				delete(has, k)
				other := key(r.IntN(keys))
				has[other] = elem(r.IntN(2))
				if was {
					has[k] = e
				}
			default:
				has[k] = elem(r.IntN(2))
			}
		}
		if r.IntN(50) == 0 {
			clear(has)
		}
		m.readOn(stop(r.IntN(1+min(keys, stepsPerLook-1))), false)
		if r.IntN(3) > 0 {
			take(false)
		}
	}
	take(true)
	return has, got, sent
}

// TestMirror compares what a receiver puts together with the map, for keys and elements of several types.
func TestMirror(t *testing.T) {
	type flat struct {
		at   time.Time
		text string
		n    [3]int8
		f    float64
	}
	seeds := 300
	if testing.Short() {
		seeds = 60
	}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 1))
		check := func(has, got any) {
			t.Helper()
			if !reflect.DeepEqual(has, got) {
				t.Fatalf("seed %d: the map is %v, the receiver has %v", seed, has, got)
			}
		}
		has, got, _ := mirrored(t, r, func(n int) int { return n }, func(n int) int { return n })
		check(has, got)
		texts, gotTexts, _ := mirrored(t, r, func(n int) string { return fmt.Sprint(n) }, func(n int) string { return strings.Repeat("x", n) })
		check(texts, gotTexts)
		set, gotSet, _ := mirrored(t, r, func(n int) [2]string { return [2]string{"a", fmt.Sprint(n)} }, func(int) struct{} { return struct{}{} })
		check(set, gotSet)
		flats, gotFlats, _ := mirrored(t, r, func(n int) flat1 { return flat1{uint8(n), n%2 == 0} }, func(n int) flat {
			return flat{time.Unix(int64(n), 0), fmt.Sprint(n), [3]int8{1, int8(n)}, float64(n)}
		})
		check(flats, gotFlats)
		large, gotLarge, _ := mirrored(t, r, func(n int) [40]int { return [40]int{n} }, func(n int) [200]byte { return [200]byte{9: byte(n)} })
		check(large, gotLarge)
	}
}

type flat1 struct {
	n uint8
	b bool
}

// TestMirrorSendsLittle changes some entries of a large map: no others are sent again.
func TestMirrorSendsLittle(t *testing.T) {
	has := map[string]int{}
	for i := range 20_000 {
		has[fmt.Sprint(i)] = i
	}
	m := mirrorOf(has)
	parts := 1
	for done := false; !done; parts++ {
		done, _ = m.readOn(stop(100), false)
	}
	if all, _, _ := m.take(false); m.shape.mapLen(all) != len(has) || parts < 100 {
		t.Errorf("%d entries in %d parts, want %d", m.shape.mapLen(all), parts, len(has))
	}
	for i := range 10 {
		has[fmt.Sprint(1000*i)]++ // the key is another string that is equal
		delete(has, fmt.Sprint(1000*i+1))
	}
	changed, gone, _ := m.take(true)
	if m.strays.len != 10 {
		t.Errorf("%d keys were looked up, want 10", m.strays.len)
	}
	if n, left := m.shape.mapLen(changed), m.shape.mapLen(gone); n != 10 || left != 10 {
		t.Errorf("%d entries have changed and %d are gone, want 10 and 10", n, left)
	}
}

// TestMirrorMovedBack has an entry that was sent as something else from another place since, and then is as before at its first.
func TestMirrorMovedBack(t *testing.T) {
	has := map[int]string{1: "first"}
	m := mirrorOf(has)
	m.readOn(new(clock), false)
	m.take(false)
	key, elem := 1, "second"
	m.see(unsafe.Pointer(&key), unsafe.Pointer(&elem))
	m.take(false)
	changed, _, _ := m.take(true)
	if got := *(*map[int]string)(unsafe.Pointer(&changed)); got[1] != "first" {
		t.Errorf("the receiver is sent %v, and has the second", got)
	}
}
