package keep

import "unsafe"

// ForHandover returns what the host needs to send a Map to another process while calls change it. It is of no use to plugins. As
// with ForHost, the result has no types of this package, and keys and values are passed by address.
func (m *Map[K, V]) ForHandover() struct {
	Track  func() (take func() (changed, gone unsafe.Pointer, n int), end func()) // see table.track; nil if somebody else does
	Delete func(key unsafe.Pointer)
} {
	return struct {
		Track  func() (take func() (changed, gone unsafe.Pointer, n int), end func())
		Delete func(key unsafe.Pointer)
	}{
		func() (take func() (changed, gone unsafe.Pointer, n int), end func()) {
			t := m.made()
			if !t.track() {
				return nil, nil
			}
			return func() (unsafe.Pointer, unsafe.Pointer, int) {
				changed, gone, n := t.takeDirty()
				return unsafe.Pointer(changed), unsafe.Pointer(gone), n
			}, t.untrack
		},
		func(key unsafe.Pointer) { m.Delete(*(*K)(key)) },
	}
}

// track makes the table note the keys that are set or deleted from now on, until untrack. Only one can track at a time; the result
// is false if one does.
func (t *table[K, V]) track() bool {
	if !t.tracked.CompareAndSwap(false, true) {
		return false
	}
	t.eachLocked(func(s *shard[K, V]) { s.dirty = map[K]struct{}{} })
	return true
}

func (t *table[K, V]) untrack() {
	t.eachLocked(func(s *shard[K, V]) { s.dirty = nil })
	t.tracked.Store(false)
}

// takeDirty returns what has become of the keys that were noted since it was last called: those that have a value, with it, and
// those that have none any more. n is the number of both. A change is noted with its shard locked, so one that isn't in the result
// will be in the next.
func (t *table[K, V]) takeDirty() (changed, gone *table[K, V], n int) {
	changed, gone = newTable[K, V](0), newTable[K, V](0)
	t.eachLocked(func(s *shard[K, V]) {
		if len(s.dirty) == 0 { // as in most shards: callers may be waiting
			return
		}
		n += len(s.dirty)
		for key := range s.dirty {
			if value, ok := s.get(key); ok {
				changed.shard(key).set(key, value)
			} else {
				gone.shard(key).set(key, value)
			}
		}
		s.dirty = map[K]struct{}{}
	})
	return changed, gone, n
}

func (t *table[K, V]) eachLocked(do func(s *shard[K, V])) {
	locked := func(s *shard[K, V]) {
		s.mu.Lock()
		defer s.mu.Unlock()
		do(s)
	}
	for i := range t.shards {
		locked(&t.shards[i])
	}
}
