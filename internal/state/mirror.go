package state

import (
	"reflect"
	"unsafe"
)

// mirror finds out what has to be sent of a Go map so that a receiver has all of it, again and again while others change the map. It
// reads the map a part at a time, when nobody uses it, and remembers what it has found. What it hasn't found like that before is sent.
//
// Entries are remembered by their places in memory. That is only a hint, as the runtime moves entries when the map grows: an entry
// is taken for one that was sent only if it is equal to the one remembered at its place, and what has become of a key is looked up
// if its entry isn't found again. For each key that was sent, the entry sent last is either remembered or the key is among the
// strays. So what take returns in the end is right whatever has happened, see TestMirror.
//
// What entries refer to is copied and compared with them, see deep. It must be theirs alone: an entry that refers to what another was
// seen to refer to is passed over, because the other may have been replaced since. In the end none has been.
type mirror struct {
	shape  *shape // of the map
	of     unsafe.Pointer
	walk   *mapWalk // of the sweep that goes on; nil: it has found everything
	sweep  uint32   // counted from 1
	found  int      // by the sweep
	known  int      // how many slots aren't forgotten
	next   int      // the slot in which the next entry is expected
	left   int      // so many slots are still to be looked at, see forget; 0: the next sweep may begin
	places places
	slots  column // of type slot
	keys   column // of the slots
	elems  column
	unsent []int // slots that were filled since take was called
	doubts int   // how many entries the sweep has passed over
	before int   // how many the one before has

	ahead   [mostAhead]found
	touched byte   // so that what readAhead reads is read
	strays  column // keys that were sent and whose slots have something else now, or nothing
}

// slot is a place in memory where an entry was found.
type slot struct {
	at   uintptr
	seen uint32 // by which sweep last; 0: forgotten
}

func newMirror(s *shape, of unsafe.Pointer, all *deeps) *mirror {
	keys := all.deep(s.key)
	return &mirror{
		shape: s, of: of, slots: newColumn(flat(reflect.TypeFor[slot]())),
		keys: newColumn(keys), elems: newColumn(all.deep(s.elem)), strays: newColumn(keys),
	}
}

func (m *mirror) slot(i int) *slot { return (*slot)(m.slots.at(i)) }

// readOn goes on with a sweep or begins one, until the clock's time is up, and reports whether it has read all of the map. Nobody may
// use the map meanwhile. The error is errShared or errLarge: there can't be a mirror then. If whole is set, nobody has used the map since
// the sweep began.
func (m *mirror) readOn(c *clock, whole bool) (done bool, err error) {
	if m.walk == nil && m.left == 0 {
		m.walk, m.next, m.found = m.shape.walk(m.of), 0, 0
		m.before, m.doubts = m.doubts, 0
		m.sweep++
	}
	for m.walk != nil {
		if c.late() {
			return false, nil
		}
		if len(m.elems.refs) > 0 {
			if err := m.seeOwners(c, whole); err != nil {
				return false, err
			}
		} else if key, elem, ok := m.walk.next(); ok {
			m.see(key, elem)
			c.passed(m.elems.size)
		} else {
			m.walk = nil
		}
		if m.walk == nil && m.found < m.known {
			m.left = m.slots.len
		}
	}
	return m.forget(c), nil
}

// seeOwners is see for some of the next entries, which refer to something.
func (m *mirror) seeOwners(c *clock, whole bool) error {
	for _, e := range m.readAhead(c) {
		if alone, err := m.claim(e.elem, whole, c); err != nil {
			return err
		} else if alone {
			m.see(e.key, e.elem)
			c.passed(m.elems.size)
		}
	}
	return nil
}

// found is where an entry of a map is.
type found struct{ key, elem unsafe.Pointer }

// mostAhead is how many entries are read ahead: as many as a processor can wait for at once, and some more.
const mostAhead = 32

// readAhead returns the next entries after a step of the clock, and counts the steps of all but the first. What they refer to lies all
// over the memory. So it is touched for all of them, as in gather.go, before any is looked at. At the end of the map it ends the walk.
func (m *mirror) readAhead(c *clock) []found {
	n := 0
	for most := min(mostAhead, stepsPerLook-c.steps); n < most; n++ {
		key, elem, ok := m.walk.next()
		if !ok {
			m.walk = nil
			break
		}
		m.ahead[n] = found{key, elem}
	}
	c.steps += max(n-1, 0)
	for i := range m.elems.refs {
		r := &m.elems.refs[i]
		for _, e := range m.ahead[:n] {
			if to, values := r.leadsTo(unsafe.Add(e.elem, r.at)); values > 0 && r.target.size > 0 {
				m.touched += *(*byte)(to)
			}
		}
	}
	return m.ahead[:n]
}

// mostDoubts is how many entries a sweep may pass over. If the next one passes over any, it isn't because entries were replaced.
const mostDoubts = 64

// claim claims what the value of an entry refers to, and reports whether it is the entry's alone.
func (m *mirror) claim(elem unsafe.Pointer, whole bool, c *clock) (alone bool, err error) {
	left := mostOwned
	err = m.elems.claim(elem, &left)
	c.passed(uintptr(mostOwned - left))
	if err != errShared || whole {
		return err == nil, err
	}
	if m.doubts++; m.doubts > mostDoubts || m.before > 0 {
		return false, err
	}
	return false, nil
}

// see compares an entry with what is remembered of its place, and remembers it.
func (m *mirror) see(key, elem unsafe.Pointer) {
	i := m.next // entries mostly come in the same order
	if i >= m.slots.len || m.slot(i).at != uintptr(key) {
		i = m.slotAt(uintptr(key))
	}
	m.next = i + 1
	s := m.slot(i)
	switch {
	case s.seen == 0:
		m.known++
		m.keys.set(i, key)
		m.elems.set(i, elem)
		m.unsent = append(m.unsent, i)
	case !m.keys.is(i, key):
		if !m.keys.equal(i, key) { // an assignment may have replaced a key by one that is equal
			m.strays.add(m.keys.at(i))
		}
		m.keys.set(i, key)
		m.elems.set(i, elem)
		m.unsent = append(m.unsent, i)
	case !m.elems.is(i, elem):
		m.elems.set(i, elem)
		m.unsent = append(m.unsent, i)
	}
	if s.seen != m.sweep {
		s.seen = m.sweep
		m.found++
	}
}

// slotAt returns the slot of a place, which may be a new one.
func (m *mirror) slotAt(at uintptr) int {
	number, met := m.places.number(at, uint64(m.slots.len)+1)
	i := int(number) - 1
	if !met {
		m.slots.grow()
		m.keys.grow()
		m.elems.grow()
		m.slot(i).at = at
	}
	return i
}

// forget forgets the slots in which the sweep that has ended found nothing, until the clock's time is up, and reports whether all are
// forgotten.
func (m *mirror) forget(c *clock) (done bool) {
	for ; m.left > 0; m.left-- {
		if c.late() {
			return false
		}
		if s := m.slot(m.left - 1); s.seen != m.sweep && s.seen != 0 {
			m.strays.add(m.keys.at(m.left - 1))
			s.seen = 0
			m.known--
		}
	}
	return true
}

// take returns two maps: of entries that are to be added to what was sent, and of those that are to be removed, of which only the keys
// count. If last is set, nobody uses the map any more, and the receiver then has all of it; otherwise the map isn't read. The error is
// that of readOn.
func (m *mirror) take(last bool) (changed, gone unsafe.Pointer, err error) {
	if last {
		m.walk, m.left = nil, 0 // a sweep that went on has not seen what changed behind it
		if _, err := m.readOn(new(clock), true); err != nil {
			return nil, nil, err
		}
	}
	changed, gone = m.shape.makeMap(len(m.unsent)), m.shape.makeMap(0)
	change, remove := m.shape.setter(changed), m.shape.setter(gone)
	for _, i := range m.unsent {
		change(m.keys.at(i), m.elems.at(i))
	}
	m.unsent = m.unsent[:0]
	if !last || m.strays.len == 0 {
		return changed, gone, nil
	}
	get, none, elem := m.shape.getter(m.of), reflect.New(m.shape.elem.typ).UnsafePointer(), reflect.New(m.shape.elem.typ).UnsafePointer()
	for i := range m.strays.len {
		if key := m.strays.at(i); get(key, elem) {
			change(key, elem)
		} else {
			remove(key, none)
		}
	}
	return changed, gone, nil
}
