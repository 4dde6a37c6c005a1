// Package cache is the memory that the server lends to plugins: values in it outlive every reload, because no plugin owns
// them.
//
// It never holds more than its limit, and it gives no promise to keep anything: a value is gone when it has expired, when
// others need its room, and when the server ends. No goroutine works for it. What has expired makes room during later
// calls of Put; until then it counts in Stats, though Get doesn't return it.
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

// Cache implements abi.Cache. Its methods may be called from any goroutine and block only for each other.
type Cache struct {
	limit int64
	now   func() time.Time

	mu      sync.Mutex // guards all below
	entries map[string]*entry
	recent  list.List // of *entry, the last used in front
	expiry  expiry
	stats   Stats
}

// Stats are the figures of a cache since New.
type Stats struct {
	Entries   int    `json:"entries"`
	Bytes     int64  `json:"bytes"` // keys, values and the bookkeeping for each
	Hits      uint64 `json:"hits"`
	Misses    uint64 `json:"misses"`
	Evictions uint64 `json:"evictions"` // removed for the room of others before they had expired
	Expired   uint64 `json:"expired"`   // removed after they had expired
}

// New returns an empty cache of at most maxBytes bytes, the bookkeeping included. With 0 or less, every Put is refused.
func New(maxBytes int64) *Cache {
	return &Cache{limit: maxBytes, now: time.Now, entries: make(map[string]*entry)}
}

// Get returns a copy of the value, and whether there is one that has not expired. The copy of an empty value is not nil.
func (c *Cache) Get(key string) (value []byte, ok bool) {
	stored, ok := c.lookup(key)
	if !ok {
		return nil, false
	}
	// Nobody writes to a stored value, it is only replaced: the copy needs no lock.
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

// Put stores a copy of value under key, in place of any earlier one, until ttl has passed; 0 means for ever. A negative ttl
// has passed already: the key is removed. It returns a *TooLargeError, and changes nothing, when key and value don't fit
// into the cache even alone.
func (c *Cache) Put(key string, value []byte, ttl time.Duration) error {
	size := cost(key, value)
	if size > c.limit {
		return &TooLargeError{Size: size, Limit: c.limit}
	}
	if ttl < 0 {
		c.Delete(key)
		return nil
	}
	// The key may lie in a plugin's image or be a piece of something large: a copy keeps neither alive.
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

// Delete removes the value, and says whether there was one that had not expired.
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

// Stats returns the figures of this moment.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries = len(c.entries)
	return s
}

// reclaimAtOnce bounds what one Put pays for others that have expired. More than one, so that what has expired goes faster
// than new values come.
const reclaimAtOnce = 4

// makeRoomLocked removes a few of the expired entries, and then as many as size needs: no value that is still good goes
// while there is an expired one. It is called with c.mu held.
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

// All goes through the values that have not expired, the least recently used first, so that Put in that order makes a cache like
// this one. Ttl is what is left of its time; 0: for ever. The values must not be changed. Other calls wait meanwhile only while
// the list is made.
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

// Value is one value of a cache.
type Value struct {
	Key   string
	Bytes []byte
	TTL   time.Duration // 0: for ever
}
