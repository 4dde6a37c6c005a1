package keep

import (
	"reflect"
	"unsafe"
)

// ForHost returns what the host needs to read and write a Map whose type it doesn't know. It is of no use to plugins. Host and
// plugins may have different versions of this package, so the result has none of its types. Keys and values are passed by
// address, which is valid during the call.
func (m *Map[K, V]) ForHost() struct {
	Key, Value reflect.Type
	Make       func(room int)                                   // replaces the Map with an empty one
	Len        func() int                                       // the number of entries
	Range      func(yield func(key, value unsafe.Pointer) bool) // calls yield with each entry until it returns false
	Get        func(key, value unsafe.Pointer) bool             // stores the key's value, and reports whether it has one
	Set        func(key, value unsafe.Pointer)                  // adds an entry
	Snapshot   func() (snapshot unsafe.Pointer, end func())     // see table.begin; nil if another one runs
} {
	return struct {
		Key, Value reflect.Type
		Make       func(room int)
		Len        func() int
		Range      func(yield func(key, value unsafe.Pointer) bool)
		Get        func(key, value unsafe.Pointer) bool
		Set        func(key, value unsafe.Pointer)
		Snapshot   func() (snapshot unsafe.Pointer, end func())
	}{
		reflect.TypeFor[K](), reflect.TypeFor[V](),
		func(room int) { m.table.Store(newTable[K, V](room)) },
		func() int {
			t := m.table.Load()
			if t != nil && t.source != nil {
				return t.source.freeze()
			}
			return t.len()
		},
		func(yield func(key, value unsafe.Pointer) bool) { m.table.Load().each(yield) },
		func(key, value unsafe.Pointer) (ok bool) {
			*(*V)(value), ok = m.Get(*(*K)(key))
			return ok
		},
		func(key, value unsafe.Pointer) { m.Set(*(*K)(key), *(*V)(value)) },
		func() (unsafe.Pointer, func()) {
			snapshot, end := m.table.Load().begin()
			return unsafe.Pointer(snapshot), end
		},
	}
}

// begin begins a snapshot and returns it with the function that ends it. The snapshot can be read until then, through ForHost.
// Only one can run at a time; the result is nil if one does.
func (t *table[K, V]) begin() (snapshot *table[K, V], end func()) {
	if !t.snapshot.CompareAndSwap(false, true) {
		return nil, nil
	}
	t.epoch.Add(1)
	return &table[K, V]{source: t}, func() {
		for i := range t.shards {
			t.settle(&t.shards[i])
		}
		t.snapshot.Store(false)
	}
}

// freeze leaves the entries of all shards to the snapshot that runs, and returns their number.
func (t *table[K, V]) freeze() (n int) {
	for i := range t.shards {
		n += len(t.frozen(&t.shards[i]))
	}
	return n
}

// frozen returns the entries of a shard as they were when the snapshot began. They don't change until it ends.
func (t *table[K, V]) frozen(s *shard[K, V]) map[K]V {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.changes(s)
	return s.entries
}

// settleStep is how many changes are merged while callers may wait: some tens of microseconds.
const settleStep = 256

// settle merges a shard's changes into its entries, at the end of a snapshot.
func (t *table[K, V]) settle(s *shard[K, V]) {
	for more := true; more; {
		more = t.settleSome(s)
	}
}

func (t *table[K, V]) settleSome(s *shard[K, V]) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.changes(s) // if it was never touched, the shard takes note of the epoch
	n := 0
	for key, c := range s.changed {
		if n++; n > settleStep {
			return true
		}
		if c.gone {
			delete(s.entries, key)
		} else {
			if s.entries == nil {
				s.entries = map[K]V{}
			}
			s.entries[key] = c.value
		}
		delete(s.changed, key)
	}
	s.changed = nil
	return false
}

// each calls yield with the addresses of each key and value until it returns false. In a snapshot that holds up nobody.
func (t *table[K, V]) each(yield func(key, value unsafe.Pointer) bool) {
	if t == nil {
		return
	}
	var key K
	var value V
	if t.source != nil {
		for i := range t.source.shards {
			for key, value = range t.source.frozen(&t.source.shards[i]) {
				if !yield(unsafe.Pointer(&key), unsafe.Pointer(&value)) {
					return
				}
			}
		}
		return
	}
	var keys []K
	var values []V
	for i := range t.shards {
		keys, values = t.shards[i].append(keys[:0], values[:0])
		for j := range keys {
			if !yield(unsafe.Pointer(&keys[j]), unsafe.Pointer(&values[j])) {
				return
			}
		}
	}
}
