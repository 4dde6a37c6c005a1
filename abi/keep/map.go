package keep

import (
	"iter"
	"sync/atomic"
)

// Map is a map for a state that may become large. It may be used by many goroutines at once, and the host reads it for a
// checkpoint while they do: a checkpoint sees the map as it was at one instant, however long it takes to write. Nobody waits
// for that longer than for another call's change of an entry.
//
//	type state struct {
//		Hits keep.Map[string, int64]
//	}
//
//	c.State().Hits.Update(path, func(n int64, _ bool) int64 { return n + 1 })
//
// The zero Map is empty and ready to use. It must not be copied. If it is the only field of the state of an Of, calls needn't
// return for a checkpoint; beside other fields they must, for as long as copying those takes.
//
// A handover sends it to the new process while calls change it, and then what has changed, so that calls wait for little: see
// docs/state.md for when.
//
// A value in the map must never be changed in place, because the checkpoint may be reading it: replace it with Set or Update.
// That includes what it points to, so prefer values without pointers. Values that hold Go maps, interfaces or other Maps, or
// that share memory with other fields of the state, are copied while callers wait, as if they were in a Go map.
//
// From build to build a Map can become a map[K]V and the other way round, and K and V may change as those of a Go map may. A
// key must be equal to itself: no floating-point NaN.
type Map[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]] // nil until the first entry
}

// Get returns the value of the key, and reports whether it has one.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	t := m.table.Load()
	if t == nil {
		return value, false
	}
	s := t.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.get(key)
}

// Set gives the key a value. It panics if the key isn't equal to itself.
func (m *Map[K, V]) Set(key K, value V) {
	t := m.made()
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.changes(s)
	s.set(key, value)
}

// Update replaces the value of the key with what change returns. It passes the value to change, and whether there is one.
// Nobody else changes the value meanwhile, so change must be quick and must not use the Map.
func (m *Map[K, V]) Update(key K, change func(value V, ok bool) V) {
	t := m.made()
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.changes(s)
	s.set(key, change(s.get(key)))
}

// Delete removes the key.
func (m *Map[K, V]) Delete(key K) {
	t := m.table.Load()
	if t == nil {
		return
	}
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.changes(s)
	s.delete(key)
}

// Len returns the number of entries. While others change the map, the result may never have been the number at any instant.
func (m *Map[K, V]) Len() int { return m.table.Load().len() }

// All returns an iterator over the entries, in no particular order. The loop may change the map. An entry that is changed
// meanwhile is seen as it was at some time during the loop, and never twice.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var keys []K
		var values []V
		t := m.table.Load()
		if t == nil {
			return
		}
		for i := range t.shards {
			keys, values = t.shards[i].append(keys[:0], values[:0])
			for j, key := range keys {
				if !yield(key, values[j]) {
					return
				}
			}
		}
	}
}

// made returns the table, and makes it if there is none.
func (m *Map[K, V]) made() *table[K, V] {
	if t := m.table.Load(); t != nil {
		return t
	}
	m.table.CompareAndSwap(nil, newTable[K, V](0))
	return m.table.Load()
}
