package state

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"unsafe"
)

// Filled describes what a Fill has put back.
type Filled struct {
	// Restored lists the fields that were put back, each at the first of the paths that lead to its type.
	Restored []string `json:"restored,omitempty"`

	// Unmatched is the number of elements of slices whose fields could not be put back, because the element at the same
	// place is another one by now.
	Unmatched int64 `json:"unmatched,omitempty"`
}

// Fill puts back the fields that p lacks and from has. Both values have the same type. What is there already stays as it
// is. A field is looked for at the same place: behind the same fields and pointers, under the same key of a map, at the
// same index of an array, and at the same index of a slice if what both elements have is equal. What is put back is a
// copy, and refers to what is in p where from refers to the same place. o bounds the memory of the copy and the time.
//
// After an error p may be filled in part. from is not changed.
func (p *Part) Fill(from Part, o Options) (Filled, error) {
	t := reflect.TypeOf(p.Value)
	if t == nil || t != reflect.TypeOf(from.Value) || p.Complete() {
		return Filled{}, nil
	}
	shapes := shaper{}
	f := &refill{shapes: shapes, fits: fitter{}, root: shapes.of(t), restored: map[*field]bool{}, done: map[*cover]bool{}}
	f.mover = mover{limit: o.MaxBytes, clock: clock{until: o.Deadline}, kinds: map[*op]*memoOf{}}
	f.mover.steps = f.fits.fit(f.root, f.root, false)
	dst, src := box(reflect.ValueOf(p.Value)), box(reflect.ValueOf(from.Value))
	for _, f.copies = range []bool{false, true} { // first who is who, then what is missing
		if !f.copies && !f.refers(p.has) {
			continue
		}
		f.seen = map[meeting]bool{}
		f.inline(f.root, covering{p.has, from.has}, dst, src)
		for len(f.queue) > 0 && f.mover.err == nil {
			m := f.queue[len(f.queue)-1]
			f.queue = f.queue[:len(f.queue)-1]
			f.meet(m)
		}
	}
	f.mover.finish()
	runtime.KeepAlive(from.Value) // the memo holds addresses as numbers
	if f.mover.err != nil {
		return Filled{}, f.mover.err
	}
	p.Value = reflect.NewAt(t, dst).Elem().Interface()
	p.has = unions{}.of(p.has, from.has)
	var result Filled
	f.root.follow(root, func(s *shape, path string) {
		for i := range s.fields {
			if f.restored[&s.fields[i]] {
				result.Restored = append(result.Restored, path+"."+s.fields[i].name)
			}
		}
	})
	slices.Sort(result.Restored)
	result.Unmatched = f.unmatched
	return result, nil
}

// refill walks through two values of one type side by side.
type refill struct {
	shapes    shaper
	fits      fitter
	root      *shape
	mover     mover
	copies    bool
	seen      map[meeting]bool
	queue     []meeting
	restored  map[*field]bool
	unmatched int64
	steps     int64
	done      map[*cover]bool
}

// refers reports whether what is missing may refer to something, so that it matters who is who. It goes by the names of fields,
// whichever struct they are in.
func (f *refill) refers(has *cover) (refers bool) {
	missing := map[string]bool{}
	has.missing(map[*cover]bool{}, missing)
	f.root.follow(root, func(s *shape, _ string) {
		for _, x := range s.fields {
			refers = refers || missing[x.name] && !x.shape.plain()
		}
	})
	return refers
}

// covering is what the two sides have of the same part of the type.
type covering struct{ dst, src *cover }

func (c covering) inner() covering { return covering{c.dst.inner(), c.src.inner()} }

// meeting is two objects, or two runs of elements, at the same place.
type meeting struct {
	shape    *shape // of the pointer, slice or map that leads there
	at       covering
	dst, src unsafe.Pointer
	n        int
}

// inline walks through two values in memory that stays.
func (f *refill) inline(s *shape, c covering, dst, src unsafe.Pointer) {
	if f.mover.err != nil {
		return
	}
	switch s.kind {
	case reflect.Pointer, reflect.Map:
		d, o := *(*unsafe.Pointer)(dst), *(*unsafe.Pointer)(src)
		if d == nil || o == nil {
			return
		}
		if at := (meeting{s, c, d, o, 1}); f.copies {
			f.push(at)
		} else if f.same(s, o, d, -1) {
			f.queue = append(f.queue, at) // the memo knows what was met
		}
	case reflect.Slice:
		d, o := *(*sliceHeader)(dst), *(*sliceHeader)(src)
		if d.data == nil || o.data == nil {
			return
		}
		if d.len == o.len {
			f.same(s, o.data, d.data, d.len)
		}
		f.push(meeting{s, c, d.data, o.data, min(d.len, o.len)})
	case reflect.Array:
		for i := range uintptr(s.len) {
			size := s.elem.typ.Size()
			f.inline(s.elem, c.inner(), unsafe.Add(dst, i*size), unsafe.Add(src, i*size))
		}
	case reflect.Struct:
		f.structure(s, c, dst, src)
	}
}

func (f *refill) structure(s *shape, c covering, dst, src unsafe.Pointer) {
	for i := range s.fields {
		x := &s.fields[i]
		inDst, has := c.dst.field(x.name)
		inSrc, hadIt := c.src.field(x.name)
		d, o := unsafe.Add(dst, x.offset), unsafe.Add(src, x.offset)
		switch {
		case has && hadIt:
			f.inline(x.shape, covering{inDst, inSrc}, d, o)
		case !has && hadIt && f.copies:
			f.mover.inline(f.fits.fit(x.shape, x.shape, false), o, d)
			f.mover.finish()
			f.restored[x] = true
		}
	}
}

// same records that a copy of what refers to src is to refer to dst, and reports whether src is met for the first time. n is
// -1 for everything but slices.
func (f *refill) same(s *shape, src, dst unsafe.Pointer, n int) (first bool) {
	if f.copies {
		return false
	}
	k := f.mover.memo.kind(s.object, s.object)
	var i int
	var met bool
	if n >= 0 {
		i, met = f.mover.memo.slice(k, src, n)
	} else {
		i, met = f.mover.memo.pointer(k, src)
	}
	if !met && i == len(f.mover.made) {
		f.mover.made = append(f.mover.made, dst)
	}
	return !met
}

func (f *refill) push(m meeting) {
	if f.seen[m] || m.n == 0 {
		return
	}
	f.seen[m] = true
	f.queue = append(f.queue, m)
}

// meet walks through what two references lead to.
func (f *refill) meet(m meeting) {
	f.step()
	s, at := m.shape, m.at.inner()
	switch s.kind {
	case reflect.Pointer:
		f.inline(s.elem, at, m.dst, m.src)
	case reflect.Map:
		f.entries(m)
	case reflect.Slice:
		if s.elem.leaf() && f.lacksNothing(at.dst) {
			return
		}
		size := s.elem.typ.Size()
		for i := range uintptr(m.n) {
			d, o := unsafe.Add(m.dst, i*size), unsafe.Add(m.src, i*size)
			switch f.step(); {
			case f.mover.err != nil:
				return
			case f.alike(s.elem, at, d, o, 0):
				f.inline(s.elem, at, d, o)
			case f.copies && !f.lacksNothing(at.dst):
				f.unmatched++
			}
		}
	}
}

// step counts an entry or element, and ends the walk at the deadline.
func (f *refill) step() {
	if f.steps++; f.mover.err == nil && f.mover.clock.late() {
		f.mover.err = fmt.Errorf("%w: it has %d entries or more", ErrDeadline, f.steps)
	}
}

func (f *refill) lacksNothing(c *cover) bool {
	if c == nil {
		return true
	}
	done, known := f.done[c]
	if !known {
		done = c.complete(map[*cover]bool{})
		f.done[c] = done
	}
	return done
}

// mostAlike bounds how far alike looks into elements.
const mostAlike = 8

// finish makes whatever a copy still lacks.
func (m *mover) finish() {
	for m.drain(); len(m.maps) > 0 && m.err == nil; m.drain() {
		f := m.maps[len(m.maps)-1]
		m.maps = m.maps[:len(m.maps)-1]
		m.entriesOf(f)
	}
}
