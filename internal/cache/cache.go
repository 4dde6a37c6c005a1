// Package cache implements the caches that the server offers to plugins. Their values survive every reload, because no plugin
// owns them.
//
// A cache never holds more than its limit, and doesn't promise to keep anything: a value is gone when it has expired, when
// others need its space, and when the server ends. The cache has no goroutine. Later calls of Put remove what has expired;
// until then it counts in Stats, although Get doesn't return it.
package cache

import (
	"container/heap"
	"container/list"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
)

var _ abi.Cache = (*Cache)(nil)

// A Cache implements abi.Cache. Its methods are safe for concurrent use and block only for each other.
type Cache struct {
	limit int64
	now   func() time.Time

	mu      sync.Mutex // guards entries, recent, expiry and stats
	entries map[string]*entry
	recent  list.List // of *entry, the most recently used first
	expiry  expiry
	stats   Stats
}

// Stats has the figures of a cache since New.
type Stats struct {
	Entries   int    `json:"entries"`
	Bytes     int64  `json:"bytes"` // keys, values and the overhead of each
	Hits      uint64 `json:"hits"`
	Misses    uint64 `json:"misses"`
	Evictions uint64 `json:"evictions"` // removed to make room, before they expired
	Expired   uint64 `json:"expired"`   // removed after they expired
}

// New returns an empty cache of at most maxBytes bytes, including its overhead. If maxBytes is 0 or less, every Put fails.
func New(maxBytes int64) *Cache {
	return &Cache{limit: maxBytes, now: time.Now, entries: make(map[string]*entry)}
}

// Get returns a copy of the value, and reports whether there is one that has not expired. The copy of an empty value is not nil.
func (c *Cache) Get(key string) (value []byte, ok bool) {
	stored, ok := c.lookup(key)
	if !ok {
		return nil, false
	}
	// Stored values are only replaced, never written to, so the copy needs no lock.
	return append(make([]byte, 0, len(stored)), stored...), true
}

func (c *Cache) lookup(key string) (stored []byte, ok bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e != nil && e.expired(now) {
		c.removeLocked(e)
		c.stats.Expired++
		e = nil
	}
	if e == nil {
		c.stats.Misses++
		return nil, false
	}
	c.stats.Hits++
	c.recent.MoveToFront(e.use)
	return e.value, true
}

// Put stores a copy of value under key, replacing any earlier one, until ttl has passed; 0 means without limit. A negative ttl
// has already passed, so the key is removed. If key and value don't fit into the cache even alone, Put changes nothing and
// returns a *TooLargeError.
func (c *Cache) Put(key string, value []byte, ttl time.Duration) error {
	size := cost(key, value)
	if size > c.limit {
		return &TooLargeError{Size: size, Limit: c.limit}
	}
	if ttl < 0 {
		c.Delete(key)
		return nil
	}
	// The key may be in a plugin's image or part of a larger string: a copy keeps neither alive.
	e := &entry{key: strings.Clone(key), value: append([]byte(nil), value...), size: size}
	now := c.now()
	if ttl > 0 {
		e.expires = now.Add(ttl)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[key]; old != nil {
		if old.expired(now) {
			c.stats.Expired++
		}
		c.removeLocked(old)
	}
	c.makeRoomLocked(size, now)
	c.entries[e.key] = e
	e.use = c.recent.PushFront(e)
	if ttl > 0 {
		heap.Push(&c.expiry, e)
	}
	c.stats.Bytes += size
	return nil
}

// Delete removes the value, and reports whether there was one that had not expired.
func (c *Cache) Delete(key string) bool {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return false
	}
	c.removeLocked(e)
	if e.expired(now) {
		c.stats.Expired++
		return false
	}
	return true
}

// Stats returns the current figures.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries = len(c.entries)
	return s
}

// reclaimAtOnce limits how many expired entries one Put removes. It is more than one, so that expired entries are removed faster
// than new ones are added.
const reclaimAtOnce = 4

// makeRoomLocked removes a few expired entries, and then as many entries as size requires. It removes no valid value while there
// is an expired one. It is called with c.mu held.
func (c *Cache) makeRoomLocked(size int64, now time.Time) {
	for n := 0; len(c.expiry) > 0 && c.expiry[0].expired(now); n++ {
		if n >= reclaimAtOnce && c.stats.Bytes+size <= c.limit {
			return
		}
		c.removeLocked(c.expiry[0])
		c.stats.Expired++
	}
	for c.stats.Bytes+size > c.limit {
		c.removeLocked(c.recent.Back().Value.(*entry))
		c.stats.Evictions++
	}
}

// removeLocked is called with c.mu held.
func (c *Cache) removeLocked(e *entry) {
	delete(c.entries, e.key)
	c.recent.Remove(e.use)
	if !e.expires.IsZero() {
		heap.Remove(&c.expiry, e.position)
	}
	c.stats.Bytes -= e.size
}

// All returns the values that have not expired, the least recently used first, so that Put in that order builds a cache like this
// one. The caller must not modify the values. Other calls block only while the list is made, not during the iteration.
func (c *Cache) All() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		now := c.now()
		c.mu.Lock()
		values := make([]Value, 0, len(c.entries))
		for at := c.recent.Back(); at != nil; at = at.Prev() {
			e := at.Value.(*entry)
			if e.expired(now) {
				continue
			}
			v := Value{Key: e.key, Bytes: e.value}
			if !e.expires.IsZero() {
				v.TTL = e.expires.Sub(now)
			}
			values = append(values, v)
		}
		c.mu.Unlock()
		for _, v := range values {
			if !yield(v) {
				return
			}
		}
	}
}

// A Value is one value of a cache.
type Value struct {
	Key   string
	Bytes []byte
	TTL   time.Duration // what remains of it; 0 means without limit
}
