package state

import (
	"errors"
	"iter"
	"reflect"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

// trackedMap is what a *keep.Map has for handovers, as far as the plugin's version of package keep knows it.
type trackedMap interface {
	ForHandover() struct {
		Track  func() (take func() (changed, gone unsafe.Pointer, n int), end func())
		Delete func(key unsafe.Pointer)
	}
}

// Ahead is a state that goes to another process ahead of the time when its users have to wait: first its maps as they are, while they
// are changed, and then what has changed of them, as often as one likes. A keep.Map notes what changes; of a Go map there is a mirror,
// which Read keeps. What is sent are states of the same type, so any of them may be encoded. The receiver puts them together with
// Merge and Without.
type Ahead struct {
	state   reflect.Value // the struct
	maps    []aheadMap
	goMaps  []field // of which there are to be mirrors
	mirrors []aheadMirror
	reading int // which of the mirrors is; len(mirrors) between sweeps
	deeps   *deeps
}

type aheadMap struct {
	field
	table unsafe.Pointer // what it referred to when tracking began
	take  func() (changed, gone unsafe.Pointer, n int)
	end   func()
}

type aheadMirror struct {
	field
	mirror *mirror // nil: there is no map
}

// GoesAhead reports whether states of type t have something that can go ahead: keep.Maps and, if those count, Go maps.
func GoesAhead(t reflect.Type, goMaps bool) bool {
	kept, others := aheadFields(t)
	return len(kept) > 0 || goMaps && len(others) > 0
}

// Track begins to note what changes of a state. It is nil if nothing of the state can go ahead, or somebody else does that. End must
// be called. Of the state only the keep.Maps are used, which others may use at the same time. Go maps are left out unless they count.
func Track(value any, goMaps bool) *Ahead {
	kept, others := aheadFields(reflect.TypeOf(value))
	if !goMaps {
		others = nil
	}
	v := reflect.ValueOf(value)
	if len(kept)+len(others) == 0 || v.IsNil() {
		return nil
	}
	a := &Ahead{state: v.Elem(), goMaps: others}
	for _, f := range kept {
		p := a.at(f)
		take, end := f.tracked(p).ForHandover().Track()
		if take == nil {
			a.End()
			return nil
		}
		a.maps = append(a.maps, aheadMap{f, atomic.LoadPointer((*unsafe.Pointer)(p)), take, end})
	}
	return a
}

// Reads reports whether there is something to Read.
func (a *Ahead) Reads() bool { return len(a.goMaps) > 0 }

// Read goes on with reading the Go maps, or begins to read them again, and reports whether all have been read. Nobody may use the state
// meanwhile. It returns soon after the time. The error is ErrReplaced if they aren't the same any more: then all is in vain.
func (a *Ahead) Read(until time.Time) (done bool, err error) {
	if a.mirrors == nil {
		a.deeps = newDeeps()
		for _, f := range a.goMaps {
			var m *mirror
			if of := *(*unsafe.Pointer)(a.at(f)); of != nil {
				m = newMirror(f.shape, of, a.deeps)
			}
			a.mirrors = append(a.mirrors, aheadMirror{f, m})
		}
		a.reading = len(a.mirrors)
	}
	if !a.sameMaps() {
		return false, ErrReplaced
	}
	if a.reading == len(a.mirrors) {
		a.reading = 0
		a.claimMaps()
	}
	for c := (clock{until: until}); a.reading < len(a.mirrors); {
		if m := a.mirrors[a.reading].mirror; m != nil {
			if done, err := m.readOn(&c, false); err != nil || !done {
				return false, err
			}
		}
		a.reading++
	}
	return true, nil
}

// claimMaps ends all claims, and claims the maps themselves, which others of them may hold.
func (a *Ahead) claimMaps() {
	a.deeps.claims.end()
	for _, m := range a.mirrors {
		if m.mirror != nil {
			a.deeps.claims.of(m.shape).mark(uintptr(m.mirror.of))
		}
	}
}

// ErrReplaced is returned when a Go map that goes ahead was replaced, or is in two places.
var ErrReplaced = errors.New("another map has taken the place of one that was read before, or one is in two places")

// LeaveOut leaves the Go maps out, before anything was sent, and reports whether something is left that goes ahead.
func (a *Ahead) LeaveOut() bool {
	a.goMaps, a.mirrors = nil, nil
	return len(a.maps) > 0
}

// End ends the noting. It does nothing if a is nil.
func (a *Ahead) End() {
	if a == nil {
		return
	}
	for _, m := range a.maps {
		m.end()
	}
	a.maps, a.mirrors = nil, nil
}

func (a *Ahead) at(f field) unsafe.Pointer {
	return unsafe.Add(a.state.Addr().UnsafePointer(), f.offset)
}

func (f field) tracked(p unsafe.Pointer) trackedMap {
	return reflect.NewAt(f.shape.typ, p).Interface().(trackedMap)
}

// Of reports whether value still is the state that is tracked, and not another that has taken its place.
func (a *Ahead) Of(value any) bool {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != a.state.Type() || v.UnsafePointer() != a.state.Addr().UnsafePointer() {
		return false
	}
	for _, m := range a.maps {
		if atomic.LoadPointer((*unsafe.Pointer)(a.at(m.field))) != m.table {
			return false
		}
	}
	return a.sameMaps()
}

// sameMaps reports whether the Go maps are where they were, and each in one place.
func (a *Ahead) sameMaps() bool {
	met := map[unsafe.Pointer]bool{}
	for _, m := range a.mirrors {
		of := *(*unsafe.Pointer)(a.at(m.field))
		if of == nil && m.mirror == nil {
			continue
		}
		if m.mirror == nil || of != m.mirror.of || met[of] {
			return false
		}
		met[of] = true
	}
	return true
}

// Base returns a state that has the keep.Maps as they are and what was read of the Go maps, and nothing else. end must be called once
// it isn't used any more; both are nil if another snapshot runs.
func (a *Ahead) Base() (value any, end func()) {
	base := reflect.New(a.state.Type())
	var ends []func()
	end = func() {
		for _, end := range ends {
			end()
		}
	}
	for _, m := range a.maps {
		snapshot, endOne := kept(m.shape.typ, m.table).ForHost().Snapshot()
		if snapshot == nil {
			end()
			return nil, nil
		}
		ends = append(ends, endOne)
		*(*unsafe.Pointer)(unsafe.Add(base.UnsafePointer(), m.offset)) = snapshot
	}
	for _, m := range a.mirrors {
		if m.mirror == nil {
			continue
		}
		*(*unsafe.Pointer)(unsafe.Add(base.UnsafePointer(), m.offset)), _, _ = m.mirror.take(false) // which can't fail
	}
	return base.Interface(), end
}

// Changes returns two states that have what has become of the maps since it was last called: the entries that have changed, and
// those that are gone, of which only the keys count; and how many there are of each. If all is set, nobody uses the state any more, and
// changed has everything else that it is made of, too; otherwise Go maps count as far as they were read. After an error, which Read may
// return as well, all is in vain.
func (a *Ahead) Changes(all bool) (changed, gone any, nChanged, nGone int, err error) {
	c, g := reflect.New(a.state.Type()), reflect.New(a.state.Type())
	if all {
		c.Elem().Set(a.state)
		if len(a.mirrors) > 0 {
			a.claimMaps()
		}
	}
	for _, m := range a.maps {
		changed, gone, n := m.take()
		left := kept(m.shape.typ, gone).ForHost().Len()
		*(*unsafe.Pointer)(unsafe.Add(c.UnsafePointer(), m.offset)) = changed
		*(*unsafe.Pointer)(unsafe.Add(g.UnsafePointer(), m.offset)) = gone
		nChanged, nGone = nChanged+n-left, nGone+left
	}
	for _, m := range a.mirrors {
		if m.mirror == nil {
			continue
		}
		changed, gone, err := m.mirror.take(all)
		if err != nil {
			return nil, nil, 0, 0, err
		}
		*(*unsafe.Pointer)(unsafe.Add(c.UnsafePointer(), m.offset)) = changed
		*(*unsafe.Pointer)(unsafe.Add(g.UnsafePointer(), m.offset)) = gone
		nChanged, nGone = nChanged+m.shape.mapLen(changed), nGone+m.shape.mapLen(gone)
	}
	return c.Interface(), g.Interface(), nChanged, nGone, nil
}

// Merge adds the changed entries to what has arrived before them, and returns the state that has both: its other parts are those of
// changed. Neither of the two may be used afterwards. Both are of the type that the giver has, or of the receiver's if that is
// the same.
func Merge(before, changed any) any {
	from, to := reflect.ValueOf(changed).UnsafePointer(), reflect.ValueOf(before).UnsafePointer()
	for f := range goneAhead(changed) {
		word, all := (*unsafe.Pointer)(unsafe.Add(from, f.offset)), *(*unsafe.Pointer)(unsafe.Add(to, f.offset))
		if all == nil && !f.shape.kept { // nothing has come ahead
			continue
		}
		set := f.shape.setter(all)
		if f.shape.kept { // it may have no entries yet
			set = reflect.NewAt(f.shape.typ, unsafe.Add(to, f.offset)).Interface().(keptMap).ForHost().Set
		}
		f.shape.entries(*word, func(key, elem unsafe.Pointer) bool {
			set(key, elem)
			return true
		})
		*word = *(*unsafe.Pointer)(unsafe.Add(to, f.offset))
	}
	return changed
}

// goneAhead yields the maps of a state that may have come ahead.
func goneAhead(state any) iter.Seq[field] {
	kept, goMaps := aheadFields(reflect.TypeOf(state))
	return slices.Values(append(kept, goMaps...))
}

// Without removes the entries that are gone.
func Without(before, gone any) {
	from, to := reflect.ValueOf(gone).UnsafePointer(), reflect.ValueOf(before).UnsafePointer()
	for f := range goneAhead(gone) {
		remove := f.remover(unsafe.Add(to, f.offset))
		f.shape.entries(*(*unsafe.Pointer)(unsafe.Add(from, f.offset)), func(key, _ unsafe.Pointer) bool {
			remove(key)
			return true
		})
	}
}

// remover returns a function that removes entries from the map at p.
func (f field) remover(p unsafe.Pointer) func(key unsafe.Pointer) {
	if f.shape.kept {
		return f.tracked(p).ForHandover().Delete
	}
	m := reflect.NewAt(f.shape.typ, p).Elem()
	return func(key unsafe.Pointer) { m.SetMapIndex(reflect.NewAt(f.shape.key.typ, key).Elem(), reflect.Value{}) }
}
