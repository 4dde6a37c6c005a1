package state

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"
)

// Snapshot is Copy for a value that is written to a stream soon: instead of copying a keep.Map, it begins a snapshot of it,
// which stays as it is while others change the map. end ends the snapshots. It must be called once the copy isn't used any
// more, and is nil after an error.
//
// A keep.Map is copied all the same if something in it might be changed in place, or might belong to other parts of the value
// as well, see besides.
func Snapshot(value any, o Options) (copied any, r Report, end func(), err error) {
	m := mover{limit: o.MaxBytes, clock: clock{until: o.Deadline}, snapshots: true}
	endAll := func() {
		for _, end := range m.ends {
			end()
		}
	}
	defer func() {
		if end == nil { // also after a panic in a method of the value's types
			endAll()
		}
	}()
	if copied, r, err = m.copy(value); err != nil {
		return nil, r, nil, err
	}
	return copied, r, endAll, nil
}

// Copy returns a deep copy of value, which stays as it is while the original changes. The copy shares with the original
// whatever never changes, and what pointers to open files and similar handles refer to. Copy refuses what a conversion
// would refuse. Of the options it uses MaxBytes and Deadline.
func Copy(value any, o Options) (any, Report, error) {
	m := mover{limit: o.MaxBytes, clock: clock{until: o.Deadline}}
	return m.copy(value)
}

func (m *mover) copy(value any) (any, Report, error) {
	start := time.Now()
	r := Report{Way: ByConversion}
	t := reflect.TypeOf(value)
	if t == nil {
		return nil, r, nil
	}
	s := shaper{}.of(t)
	steps := fitter{}.fit(s, s, false)
	if _, reasons := steps.changes(); len(reasons) > 0 {
		return nil, r, &Refusal{t, t, reasons}
	}
	if m.snapshots {
		m.beside = beside(s)
	}
	v, err := m.move(steps, value)
	if err != nil {
		return nil, r, err
	}
	r.Entries, r.Bytes, r.Elapsed = m.entries, m.bytes, time.Since(start)
	return v, r, nil
}

// begin begins a snapshot of the keep.Map whose word is p, if it can be read beside the calls, and returns its word. ok is
// false if it must be copied.
func (m *mover) begin(o *op, p unsafe.Pointer) (snapshot unsafe.Pointer, ok bool) {
	if !m.snapshots || !o.from.kept || o.from.typ != o.to.typ {
		return nil, false
	}
	if why, tied := m.beside[o.from]; tied {
		m.tied = fmt.Sprintf("%s can't be read beside the calls, because %s", m.pathOf(o), why)
		return nil, false
	}
	snapshot, end := kept(o.from.typ, p).ForHost().Snapshot()
	if snapshot == nil {
		m.fail(o, "another snapshot of it runs")
		return nil, true
	}
	m.ends = append(m.ends, end)
	return snapshot, true
}

// beside returns the keep.Maps of a value that can't be read beside the calls, each with the reason. What they hold may be
// changed in place: Go maps and what interfaces hold. Or it may belong to other parts of the value as well, which are copied, so
// that in the stream one thing would become two.
func beside(s *shape) map[*shape]string {
	var maps []*shape
	rest := map[*shape]bool{}
	collect(s, rest, &maps)
	tied := map[*shape]string{}
	for _, m := range maps {
		inside := map[*shape]bool{}
		var nested []*shape
		collect(m.key, inside, &nested)
		collect(m.elem, inside, &nested)
		if len(nested) > 0 {
			tied[m] = "it holds another keep.Map"
		}
		for in := range inside {
			switch {
			case in.kind == reflect.Map:
				tied[m] = "it holds a Go map, " + in.name
			case in.kind == reflect.Interface:
				tied[m] = "it holds interfaces, " + in.name
			case in.kind == reflect.Pointer || in.kind == reflect.Slice:
				for out := range rest {
					if out.kind == reflect.Interface || out.typ == in.elem.typ || in.typ == out.typ {
						tied[m] = "other parts of the state may refer to the same " + in.elem.name
					}
				}
			}
		}
	}
	return tied
}

// collect adds the shapes that can be reached from s to in, and the keep.Maps among them to maps. It doesn't go into those.
func collect(s *shape, in map[*shape]bool, maps *[]*shape) {
	switch {
	case s == nil || in[s]:
		return
	case s.kept:
		*maps = append(*maps, s)
		return
	}
	in[s] = true
	collect(s.key, in, maps)
	collect(s.elem, in, maps)
	for _, f := range s.fields {
		collect(f.shape, in, maps)
	}
}

// Alone reports whether values of type t have nothing but one keep.Map that can be read beside the calls, so that a snapshot of
// them is of one instant whatever happens meanwhile. t is a struct or a pointer to one.
func Alone(t reflect.Type) bool {
	kepts, others := parts(t)
	return kepts == 1 && others == 0
}

// Concurrent reports whether values of type t, a struct or a pointer to one, have only keep.Maps that can be read beside the
// calls.
func Concurrent(t reflect.Type) bool {
	kepts, others := parts(t)
	return kepts > 0 && others == 0
}

// parts counts the fields of a struct, or of what a pointer leads to, that are such keep.Maps, and those that are anything else
// but locks.
func parts(t reflect.Type) (kepts, others int) {
	if t == nil {
		return 0, 1
	}
	s := shaper{}.of(t)
	tied := beside(s)
	if s.kind == reflect.Pointer {
		s = s.elem
	}
	if s.kind != reflect.Struct {
		return 0, 1
	}
	for _, f := range s.fields {
		_, isTied := tied[f.shape]
		switch {
		case f.shape.kept && !isTied:
			kepts++
		case f.shape.kind != lockKind:
			others++
		}
	}
	return kepts, others
}
