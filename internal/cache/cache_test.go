package cache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that passes when the test says so.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newTest(limit int64) (*Cache, *clock) {
	clk := &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := New(limit)
	c.now = clk.now
	return c, clk
}

func put(t *testing.T, c *Cache, key, value string, ttl time.Duration) {
	t.Helper()
	if err := c.Put(key, []byte(value), ttl); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t *testing.T, c *Cache, key, value string) {
	t.Helper()
	if got, ok := c.Get(key); !ok || string(got) != value {
		t.Fatalf("Get(%q) = %q, %v, want %q", key, got, ok, value)
	}
}

func wantNone(t *testing.T, c *Cache, key string) {
	t.Helper()
	if got, ok := c.Get(key); ok {
		t.Fatalf("Get(%q) = %q, want none", key, got)
	}
}

func TestCopiesInAndOut(t *testing.T) {
	c := New(1 << 20)
	in := []byte("abc")
	if err := c.Put("k", in, 0); err != nil {
		t.Fatal(err)
	}
	in[0] = 'X'
	out, _ := c.Get("k")
	out[1] = 'Y'
	wantValue(t, c, "k", "abc")
}

func TestEmptyValueIsAValue(t *testing.T) {
	c := New(1 << 20)
	if err := c.Put("", nil, 0); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Get(""); !ok || got == nil || len(got) != 0 {
		t.Fatalf("Get = %#v, %v, want an empty value", got, ok)
	}
}

func TestExpiry(t *testing.T) {
	c, clk := newTest(1 << 20)
	put(t, c, "short", "1", time.Second)
	put(t, c, "ever", "2", 0)
	clk.at = clk.at.Add(time.Second - 1)
	wantValue(t, c, "short", "1")
	clk.at = clk.at.Add(1)
	wantNone(t, c, "short")
	wantValue(t, c, "ever", "2")

	put(t, c, "gone", "3", time.Second)
	clk.at = clk.at.Add(time.Second)
	if c.Delete("gone") {
		t.Error("Delete says that there was a value, but it had expired")
	}
	put(t, c, "again", "4", time.Second)
	put(t, c, "again", "5", 0) // the earlier ttl must not outlive its value
	clk.at = clk.at.Add(time.Hour)
	wantValue(t, c, "again", "5")
	put(t, c, "again", "6", -1)
	wantNone(t, c, "again")
	if s := c.Stats(); s.Expired != 2 || s.Evictions != 0 || s.Entries != 1 {
		t.Errorf("stats %+v, want 2 expired, none evicted, 1 left", s)
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := New(3 * cost("a", []byte("1")))
	put(t, c, "a", "1", 0)
	put(t, c, "b", "2", 0)
	put(t, c, "c", "3", 0)
	wantValue(t, c, "a", "1")
	put(t, c, "d", "4", 0)
	wantNone(t, c, "b")
	wantValue(t, c, "a", "1")
	put(t, c, "a", "5", 0) // in place of itself: nobody else has to go
	wantValue(t, c, "c", "3")
	wantValue(t, c, "d", "4")
	if s := c.Stats(); s.Evictions != 1 {
		t.Errorf("%d evictions, want 1", s.Evictions)
	}
}

func TestExpiredGoBeforeUsed(t *testing.T) {
	c, clk := newTest(10 * cost("a0", nil))
	for i := range 3 {
		put(t, c, fmt.Sprint("a", i), "", 0)
	}
	for i := range 7 {
		put(t, c, fmt.Sprint("b", i), "", time.Second)
	}
	clk.at = clk.at.Add(time.Second)
	put(t, c, "c", strings.Repeat("x", int(6*cost("a0", nil))), 0)
	if s := c.Stats(); s.Evictions != 0 || s.Expired != 7 || s.Entries != 4 {
		t.Errorf("stats %+v, want the 7 expired gone and nothing else", s)
	}
}

func TestExpiredGoWithLaterPuts(t *testing.T) {
	c, clk := newTest(1 << 20)
	for i := range 100 {
		put(t, c, fmt.Sprint("old", i), "", time.Second)
	}
	clk.at = clk.at.Add(time.Minute)
	for range 100 {
		put(t, c, "new", "", 0)
	}
	if s := c.Stats(); s.Entries != 1 || s.Bytes != cost("new", nil) {
		t.Errorf("stats %+v, want only the new entry left", s)
	}
}

func TestTooLargeChangesNothing(t *testing.T) {
	c := New(1000)
	put(t, c, "k", "kept", 0)
	before := c.Stats()
	err := c.Put("k", make([]byte, 1000), 0)
	if e, ok := errors.AsType[*TooLargeError](err); !ok || !errors.Is(err, ErrTooLarge) || e.Limit != 1000 || e.Size <= 1000 {
		t.Fatalf("Put = %v, want a TooLargeError with both sizes", err)
	}
	if c.Stats() != before {
		t.Errorf("stats %+v, were %+v", c.Stats(), before)
	}
	wantValue(t, c, "k", "kept")
	put(t, c, "fits", strings.Repeat("x", int(1000-cost("fits", nil))), 0)
	if err := New(0).Put("", nil, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Put into a cache of 0 bytes = %v, want ErrTooLarge", err)
	}
}

// model is the cache as its documentation has it, in the simplest code: a slice, the last used in front. It drops what
// has expired at once, which no caller can tell from later.
type model struct {
	limit   int64
	entries []modelEntry
}

type modelEntry struct {
	key, value string
	expires    time.Time
}

func (m *model) expire(now time.Time) {
	kept := m.entries[:0]
	for _, e := range m.entries {
		if e.expires.IsZero() || now.Before(e.expires) {
			kept = append(kept, e)
		}
	}
	m.entries = kept
}

func (m *model) take(key string) (modelEntry, bool) {
	for i, e := range m.entries {
		if e.key == key {
			m.entries = append(m.entries[:i:i], m.entries[i+1:]...)
			return e, true
		}
	}
	return modelEntry{}, false
}

func (m *model) get(key string) (string, bool) {
	e, ok := m.take(key)
	if ok {
		m.entries = append([]modelEntry{e}, m.entries...)
	}
	return e.value, ok
}

func (m *model) put(e modelEntry) bool {
	if cost(e.key, []byte(e.value)) > m.limit {
		return false
	}
	m.take(e.key)
	m.entries = append([]modelEntry{e}, m.entries...)
	for m.bytes() > m.limit {
		m.entries = m.entries[:len(m.entries)-1]
	}
	return true
}

func (m *model) bytes() (n int64) {
	for _, e := range m.entries {
		n += cost(e.key, []byte(e.value))
	}
	return n
}

// step does one operation, taken from three bytes, with the cache and the model, and compares what a caller sees.
func step(t *testing.T, c *Cache, m *model, clk *clock, op, key, arg byte) {
	t.Helper()
	k := strings.Repeat("k", int(key%16))
	m.expire(clk.at)
	switch op % 8 {
	case 0, 1, 2:
		v := strings.Repeat(string(rune('a'+arg%26)), int(arg)*8)
		e := modelEntry{key: k, value: v}
		ttl := time.Duration(op/8%4) * time.Second
		if ttl > 0 {
			e.expires = clk.at.Add(ttl)
		}
		if got, want := c.Put(k, []byte(v), ttl) == nil, m.put(e); got != want {
			t.Fatalf("Put(%q, %d bytes) stored: %v, want %v", k, len(v), got, want)
		}
	case 3, 4, 5:
		got, ok := c.Get(k)
		want, wantOK := m.get(k)
		if ok != wantOK || string(got) != want {
			t.Fatalf("Get(%q) = %q, %v, want %q, %v", k, got, ok, want, wantOK)
		}
	case 6:
		_, want := m.take(k)
		if got := c.Delete(k); got != want {
			t.Fatalf("Delete(%q) = %v, want %v", k, got, want)
		}
	case 7:
		clk.at = clk.at.Add(time.Duration(arg) * 10 * time.Millisecond)
	}
	s := c.Stats()
	if s.Bytes > c.limit || s.Bytes < 0 || s.Entries != c.recent.Len() {
		t.Fatalf("stats %+v with a limit of %d and %d in the list", s, c.limit, c.recent.Len())
	}
}

const modelLimit = 6 * overhead

func TestLikeTheModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		c, clk := newTest(modelLimit)
		m := &model{limit: modelLimit}
		for range 300 {
			n := r.Uint32()
			step(t, c, m, clk, byte(n), byte(n>>8), byte(n>>16))
		}
	}
}

func FuzzCache(f *testing.F) {
	f.Add([]byte{8, 1, 1, 7, 0, 200, 3, 1, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		c, clk := newTest(modelLimit)
		m := &model{limit: modelLimit}
		for ; len(ops) >= 3; ops = ops[3:] {
			step(t, c, m, clk, ops[0], ops[1], ops[2])
		}
	})
}

// TestHammer is for -race. Each value says what it must be, so that a torn or foreign one is seen.
func TestHammer(t *testing.T) {
	c := New(20 * cost("k00", make([]byte, 64)))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 2))
			for range 3000 {
				k := fmt.Sprintf("k%02d", r.IntN(40))
				switch r.IntN(4) {
				case 0:
					v := bytes.Repeat([]byte(k[1:]), 32)
					if err := c.Put(k, v, time.Duration(r.IntN(3))*time.Microsecond); err != nil {
						t.Error(err)
					}
				case 1:
					c.Delete(k)
				default:
					if v, ok := c.Get(k); ok && !bytes.Equal(v, bytes.Repeat([]byte(k[1:]), 32)) {
						t.Errorf("Get(%q) = %q", k, v)
					}
				}
				if s := c.Stats(); s.Bytes > c.limit {
					t.Errorf("%d bytes of %d", s.Bytes, c.limit)
				}
			}
		})
	}
	wg.Wait()
}

// TestOverheadIsReal fills a cache with small values: the memory that they take must be about what Stats says, or the
// limit would mean nothing for those who store many.
func TestOverheadIsReal(t *testing.T) {
	const n = 100_000
	heapBytes := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heapBytes()
	c := New(1 << 40)
	for i := range n {
		put(t, c, fmt.Sprintf("key-%08d", i), "0123456789abcdef", time.Hour)
	}
	used, said := heapBytes()-before, c.Stats().Bytes
	runtime.KeepAlive(c)
	t.Logf("%d bytes for each entry, %d counted", used/n, said/n)
	if used > said*5/4 || used < said*3/5 {
		t.Errorf("the heap grew by %d bytes for %d counted", used, said)
	}
}

func BenchmarkGet(b *testing.B) {
	c := New(1 << 20)
	if err := c.Put("key", make([]byte, 64), time.Hour); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Get("key")
		}
	})
}

func BenchmarkPut(b *testing.B) {
	c := New(1 << 20)
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	value := make([]byte, 64)
	b.ReportAllocs()
	for i := range b.N {
		if err := c.Put(keys[i%len(keys)], value, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAll copies a cache: what has expired stays behind, and what was used least recently goes first again.
func TestAll(t *testing.T) {
	now := time.Unix(1000, 0)
	c := New(10_000)
	c.now = func() time.Time { return now }
	c.Put("old", []byte("1"), time.Second)
	c.Put("a", []byte("2"), time.Minute)
	c.Put("b", []byte("3"), 0)
	c.Get("a")
	now = now.Add(2 * time.Second)
	var keys []string
	for v := range c.All() {
		keys = append(keys, fmt.Sprint(v.Key, string(v.Bytes), v.TTL))
	}
	if want := []string{"b30s", "a258s"}; !slices.Equal(keys, want) {
		t.Errorf("All gives %v, want %v", keys, want)
	}
}
