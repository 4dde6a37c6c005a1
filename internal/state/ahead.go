package state

import (
	"reflect"
	"sync/atomic"
	"unsafe"
)

// trackedMap is what a *keep.Map has for handovers, as far as the plugin's version of package keep knows it.
type trackedMap interface {
	ForHandover() struct {
		Track  func() (take func() (changed, gone unsafe.Pointer, n int), end func())
		Delete func(key unsafe.Pointer)
	}
}

// Ahead is a state that goes to another process ahead of the time when its users have to wait: first its keep.Maps as they are,
// while they are changed, and then what has changed of them, as often as one likes. What is sent are states of the same type, so
// any of them may be encoded. The receiver puts them together with Merge and Without.
type Ahead struct {
	state reflect.Value // the struct
	maps  []aheadMap
}

type aheadMap struct {
	field
	table unsafe.Pointer // what it referred to when tracking began
	take  func() (changed, gone unsafe.Pointer, n int)
	end   func()
}

// aheadFields returns the keep.Maps that can go ahead: fields of the struct that t points to, which can be read beside the calls.
// If their values had pointers, two entries that share something could come to have one each: what came ahead and what has changed
// are different streams.
func aheadFields(t reflect.Type) (fields []field) {
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	s := shaper{}.of(t)
	tied := beside(s)
	for _, f := range s.elem.fields {
		if !f.shape.kept || tied[f.shape] != "" || !reflect.PointerTo(f.shape.typ).Implements(reflect.TypeFor[trackedMap]()) {
			continue
		}
		shared := false
		for _, part := range []*shape{f.shape.key, f.shape.elem} {
			part.follow(root, func(s *shape, _ string) { shared = shared || s.kind == reflect.Pointer })
		}
		if !shared {
			fields = append(fields, f)
		}
	}
	return fields
}

// GoesAhead reports whether states of type t have something that can go ahead.
func GoesAhead(t reflect.Type) bool { return len(aheadFields(t)) > 0 }

// Track begins to note what changes of a state. It is nil if nothing of the state can go ahead, or somebody else does that. End must
// be called. Of the state only the keep.Maps are used, which others may use at the same time.
func Track(value any) *Ahead {
	fields := aheadFields(reflect.TypeOf(value))
	v := reflect.ValueOf(value)
	if len(fields) == 0 || v.IsNil() {
		return nil
	}
	a := &Ahead{state: v.Elem()}
	for _, f := range fields {
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

// End ends the noting. It does nothing if a is nil.
func (a *Ahead) End() {
	if a == nil {
		return
	}
	for _, m := range a.maps {
		m.end()
	}
	a.maps = nil
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
	return true
}

// Base returns a state that has the keep.Maps as they are, and nothing else. end must be called once it isn't used any more; both are
// nil if another snapshot runs.
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
	return base.Interface(), end
}

// Changes returns two states that have what has become of the keep.Maps since it was last called: the entries that have changed, and
// those that are gone, of which only the keys count; and how many there are of each. If all is set, nobody uses the state any more, and
// changed has everything else that it is made of, too.
func (a *Ahead) Changes(all bool) (changed, gone any, nChanged, nGone int) {
	c, g := reflect.New(a.state.Type()), reflect.New(a.state.Type())
	if all {
		c.Elem().Set(a.state)
	}
	for _, m := range a.maps {
		changed, gone, n := m.take()
		left := kept(m.shape.typ, gone).ForHost().Len()
		*(*unsafe.Pointer)(unsafe.Add(c.UnsafePointer(), m.offset)) = changed
		*(*unsafe.Pointer)(unsafe.Add(g.UnsafePointer(), m.offset)) = gone
		nChanged, nGone = nChanged+n-left, nGone+left
	}
	return c.Interface(), g.Interface(), nChanged, nGone
}

// Merge adds the changed entries to what has arrived before them, and returns the state that has both: its other parts are those of
// changed. Neither of the two may be used afterwards. Both are of the type that the giver has, or of the receiver's if that is
// the same.
func Merge(before, changed any) any {
	from, to := reflect.ValueOf(changed).UnsafePointer(), reflect.ValueOf(before).UnsafePointer()
	for _, f := range aheadFields(reflect.TypeOf(changed)) {
		set := reflect.NewAt(f.shape.typ, unsafe.Add(to, f.offset)).Interface().(keptMap).ForHost().Set
		f.shape.entries(*(*unsafe.Pointer)(unsafe.Add(from, f.offset)), func(key, elem unsafe.Pointer) bool {
			set(key, elem)
			return true
		})
		*(*unsafe.Pointer)(unsafe.Add(from, f.offset)) = *(*unsafe.Pointer)(unsafe.Add(to, f.offset))
	}
	return changed
}

// Without removes the entries that are gone.
func Without(before, gone any) {
	from, to := reflect.ValueOf(gone).UnsafePointer(), reflect.ValueOf(before).UnsafePointer()
	for _, f := range aheadFields(reflect.TypeOf(gone)) {
		remove := f.tracked(unsafe.Add(to, f.offset)).ForHandover().Delete
		f.shape.entries(*(*unsafe.Pointer)(unsafe.Add(from, f.offset)), func(key, _ unsafe.Pointer) bool {
			remove(key)
			return true
		})
	}
}
