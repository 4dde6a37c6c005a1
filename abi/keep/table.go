package keep

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// table holds the entries of a Map.
//
// A snapshot begins when epoch is raised. Every change of an entry reads epoch once, with its shard locked, and belongs to the
// snapshot if it reads the value from before. This is a cut at one instant: a change that reads the new value can't have been
// seen by one that reads the old value, as its shard isn't unlocked before that, and changes of the same entry are in the
// order in which they have the lock.
//
// The first change of a shard that reads a new epoch leaves the shard's entries to the snapshot, which reads them without any
// lock. From then on changes are kept beside them, until the snapshot has ended and they are merged in small steps.
// TestSnapshot checks many snapshots against the only states that there have been.
type table[K comparable, V any] struct {
	seed     maphash.Seed
	epoch    atomic.Uint64 // the number of snapshots that have begun
	snapshot atomic.Bool   // one has begun and not ended
	tracked  atomic.Bool   // see track
	source   *table[K, V]  // not nil in a snapshot: the table that it shows, as it was
	shards   [shardCount]shard[K, V]
}

// shardCount is the number of shards. Calls wait for each other only if their keys are in the same one.
const shardCount = 64

type shard[K comparable, V any] struct {
	mu      sync.RWMutex // guards all fields; but entries may be read without it, by the snapshot, while changed isn't nil
	epoch   uint64       // of the last snapshot that reads entries
	entries map[K]V
	changed map[K]change[V] // since that snapshot began; nil if entries are up to date
	dirty   map[K]struct{}  // keys that were set or deleted since they were last taken; nil unless tracked
	size    int             // the number of entries, as changed
}

// change is what became of an entry.
type change[V any] struct {
	value V
	gone  bool
}

func newTable[K comparable, V any](room int) *table[K, V] {
	t := &table[K, V]{seed: maphash.MakeSeed()}
	if room > shardCount {
		for i := range t.shards {
			t.shards[i].entries = make(map[K]V, room/shardCount)
		}
	}
	return t
}

func (t *table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shardCount]
}

// changes must be called with the shard locked, before each change.
func (t *table[K, V]) changes(s *shard[K, V]) {
	if epoch := t.epoch.Load(); s.epoch != epoch {
		s.epoch, s.changed = epoch, map[K]change[V]{} // changed was nil: only one snapshot runs at a time
	}
}

func (s *shard[K, V]) get(key K) (value V, ok bool) {
	if s.changed != nil {
		if c, ok := s.changed[key]; ok {
			return c.value, !c.gone
		}
	}
	value, ok = s.entries[key]
	return value, ok
}

func (s *shard[K, V]) set(key K, value V) {
	if key != key {
		panic("keep: a key of a Map isn't equal to itself")
	}
	s.note(key)
	if s.changed == nil {
		if s.entries == nil {
			s.entries = map[K]V{}
		}
		s.entries[key] = value
		s.size = len(s.entries)
		return
	}
	if _, ok := s.get(key); !ok {
		s.size++
	}
	s.changed[key] = change[V]{value: value}
}

// note notes a key for whoever tracks changes. One that isn't equal to itself, as Delete may get it, can't have changed.
func (s *shard[K, V]) note(key K) {
	if s.dirty != nil && key == key {
		s.dirty[key] = struct{}{}
	}
}

func (s *shard[K, V]) delete(key K) {
	s.note(key)
	if s.changed == nil {
		delete(s.entries, key)
		s.size = len(s.entries)
	} else if _, ok := s.get(key); ok {
		s.size--
		s.changed[key] = change[V]{gone: true}
	}
}

// append appends the entries to keys and values.
func (s *shard[K, V]) append(keys []K, values []V) ([]K, []V) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for key, value := range s.entries {
		if _, ok := s.changed[key]; !ok {
			keys, values = append(keys, key), append(values, value)
		}
	}
	for key, c := range s.changed {
		if !c.gone {
			keys, values = append(keys, key), append(values, c.value)
		}
	}
	return keys, values
}

func (t *table[K, V]) len() (n int) {
	if t == nil {
		return 0
	}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += s.size
		s.mu.RUnlock()
	}
	return n
}
