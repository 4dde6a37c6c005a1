package state

import (
	"fmt"
	"reflect"
	"runtime"
	"unsafe"
)

// mover makes one copy. Memory with several references is copied once, so that pointers, maps and slices which were the
// same are the same afterwards. Memory still to be filled is kept in lists, so that a deep state doesn't need a deep
// stack.
type mover struct {
	memo    memo
	kinds   map[*op]*memoOf
	made    []unsafe.Pointer // by their numbers in memo
	queue   []fill
	maps    []fill
	extents extents
	dynamic map[reflect.Type]*op // for the values of interfaces
	origins []origin
	steps   *op

	entries int64
	bytes   int64
	limit   int64 // for bytes; 0: none
	clock   clock

	// For a Snapshot: keep.Maps aren't copied unless they are in beside.
	snapshots bool
	beside    map[*shape]string
	tied      string // why one was copied
	ends      []func()

	depth int
	err   error
}

// fill is a copy to be filled: n values, or the entries of a map.
type fill struct {
	op       *op
	src, dst unsafe.Pointer
	n        int
}

// origin records where an op was found that belongs to no plan.
type origin struct{ inner, outer *op }

// tooDeep bounds interfaces that directly hold structs with interfaces that hold structs and so on. This is the only nesting
// that needs stack.
const tooDeep = 1000

func (m *mover) move(steps *op, value any) (any, error) {
	m.kinds = map[*op]*memoOf{}
	m.steps, m.extents.on = steps, risky(steps.from) || splits(steps)
	dst := reflect.New(steps.to.typ)
	m.inline(steps, box(reflect.ValueOf(value)), dst.UnsafePointer())
	for m.drain(); len(m.maps) > 0 && m.err == nil; m.drain() {
		f := m.maps[len(m.maps)-1]
		m.maps = m.maps[:len(m.maps)-1]
		m.entriesOf(f)
	}
	if m.err != nil {
		return nil, m.err
	}
	inner, outer, ok := m.extents.clash(&m.clock)
	if m.clock.lateNow() {
		m.overdue()
	} else if ok {
		m.fail(inner.(*op), "refers to memory that %s refers to as well, wholly or in part", m.pathOf(outer.(*op)))
	}
	runtime.KeepAlive(value) // extents hold addresses as numbers
	if m.err != nil {
		return nil, m.err
	}
	return dst.Elem().Interface(), nil
}

// drain fills everything but maps.
func (m *mover) drain() {
	for len(m.queue) > 0 && m.err == nil {
		f := m.queue[len(m.queue)-1]
		m.queue = m.queue[:len(m.queue)-1]
		m.fill(f)
	}
}

// step reports whether the move goes on. It fails once the deadline has passed.
func (m *mover) step() bool {
	if m.err == nil && m.clock.late() {
		m.overdue()
	}
	return m.err == nil
}

// overdue fails the move because its time is up, or would be.
func (m *mover) overdue() {
	m.err = fmt.Errorf("%w: it has %d entries or more", ErrDeadline, m.entries)
	if m.tied != "" {
		m.err = fmt.Errorf("%w; %s", m.err, m.tied)
	}
}

// batch is how many elements of a slice are filled before what they refer to, or the list of that would grow as large as the
// slice.
const batch = 256

func (m *mover) fill(f fill) {
	elem := f.op.elem
	if elem.code == opBytes {
		m.bytesOf(f.src, f.dst, uintptr(f.n)*elem.from.typ.Size())
		return
	}
	from, to := elem.from.typ.Size(), elem.to.typ.Size()
	if f.n > batch {
		m.queue = append(m.queue, fill{f.op, unsafe.Add(f.src, batch*from), unsafe.Add(f.dst, batch*to), f.n - batch})
		f.n = batch
	}
	for i := range uintptr(f.n) {
		if !m.step() {
			return
		}
		m.inline(elem, unsafe.Add(f.src, i*from), unsafe.Add(f.dst, i*to))
	}
}

// bytesOf copies n bytes, in pieces.
func (m *mover) bytesOf(src, dst unsafe.Pointer, n uintptr) {
	from, to := unsafe.Slice((*byte)(src), n), unsafe.Slice((*byte)(dst), n)
	for len(from) > 0 && m.step() {
		n := copy(to[:min(len(to), pieceBytes)], from)
		from, to = from[n:], to[n:]
		m.clock.passed(uintptr(n))
	}
}

func (m *mover) entriesOf(f fill) {
	o := f.op
	set := o.to.setter(f.dst)
	newKey, newElem := reflect.New(o.key.to.typ), reflect.New(o.elem.to.typ)
	size := o.key.from.typ.Size() + o.elem.from.typ.Size()
	o.from.entries(f.src, func(key, elem unsafe.Pointer) bool {
		newKey.Elem().SetZero()
		newElem.Elem().SetZero()
		m.inline(o.key, key, newKey.UnsafePointer())
		m.inline(o.elem, elem, newElem.UnsafePointer())
		set(newKey.UnsafePointer(), newElem.UnsafePointer())
		m.drain() // or the list would grow as large as the map
		m.clock.passed(size)
		return m.step()
	})
}

// inline makes the value at dst, which must be zero, from the one at src. Both may be reused as soon as it returns: whatever
// is filled later is in memory of its own.
func (m *mover) inline(o *op, src, dst unsafe.Pointer) {
	switch o.code {
	case opBytes:
		n := o.from.typ.Size()
		if n > pieceBytes {
			m.bytesOf(src, dst, n)
			return
		}
		copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
		m.clock.passed(n)
	case opBool:
		*(*bool)(dst) = *(*bool)(src)
	case opNumber:
		widen(o.from.kind, o.to.kind, src, dst)
	case opString:
		*(*string)(dst) = *(*string)(src)
	case opStd:
		reflect.NewAt(o.to.typ, dst).Elem().Set(reflect.NewAt(o.from.typ, src).Elem())
	case opShare:
		*(*unsafe.Pointer)(dst) = *(*unsafe.Pointer)(src)
	case opPointer:
		if p := *(*unsafe.Pointer)(src); p != nil {
			*(*unsafe.Pointer)(dst) = m.object(o, p, 1)
		}
	case opAddress:
		if p := m.alloc(o.elem.to.typ, 1, false); p != nil {
			m.inline(o.elem, src, p)
			*(*unsafe.Pointer)(dst) = p
		}
	case opDeref:
		if p := *(*unsafe.Pointer)(src); p != nil {
			m.extents.add(p, o.elem.from.typ.Size(), false, o)
			m.inline(o.elem, p, dst)
		}
	case opSlice:
		h := *(*sliceHeader)(src)
		if h.data != nil {
			*(*sliceHeader)(dst) = sliceHeader{m.object(o, h.data, h.len), h.len, h.len}
		}
	case opArray:
		from, to := o.elem.from.typ.Size(), o.elem.to.typ.Size()
		for i := range uintptr(o.from.len) {
			if !m.step() {
				return
			}
			m.inline(o.elem, unsafe.Add(src, i*from), unsafe.Add(dst, i*to))
		}
	case opMap:
		if p := *(*unsafe.Pointer)(src); p != nil {
			*(*unsafe.Pointer)(dst) = m.mapping(o, p)
		}
	case opStruct:
		for i := range o.fields {
			f := &o.fields[i]
			m.inline(f.op, unsafe.Add(src, f.src), unsafe.Add(dst, f.dst))
		}
	case opInterface:
		m.interfaceValue(o, src, dst)
	}
}

// interfaceValue copies the value of an interface. verify has checked that its type is shared.
func (m *mover) interfaceValue(o *op, src, dst unsafe.Pointer) {
	from := reflect.NewAt(o.from.typ, src).Elem()
	if from.IsNil() {
		return
	}
	x := from.Elem()
	t := x.Type()
	if !t.Implements(o.to.typ) {
		m.fail(o, "%v doesn't implement %s", t, o.to.name)
		return
	}
	inner, err := m.dynamicOp(t, o)
	if err != nil {
		m.err = err
		return
	}
	to := reflect.NewAt(o.to.typ, dst).Elem()
	if inner.code == opBytes || inner.code == opString {
		to.Set(x) // the value in an interface never changes
		return
	}
	if m.depth++; m.depth > tooDeep {
		m.fail(o, "interfaces nested deeper than %d", tooDeep)
		return
	}
	made := reflect.New(t)
	m.inline(inner, box(x), made.UnsafePointer())
	to.Set(made.Elem())
	m.depth--
}

func (m *mover) dynamicOp(t reflect.Type, outer *op) (*op, error) {
	if o := m.dynamic[t]; o != nil {
		return o, nil
	}
	s := shaper{}.of(t)
	o := fitter{}.fit(s, s, false)
	if _, reasons := o.changes(); len(reasons) > 0 {
		at := m.pathOf(outer)
		for i := range reasons {
			reasons[i].Path = at + reasons[i].Path[len(root):]
		}
		return nil, &Refusal{m.steps.from.typ, m.steps.to.typ, reasons}
	}
	if m.dynamic == nil {
		m.dynamic = map[reflect.Type]*op{}
	}
	m.dynamic[t] = o
	m.origins = append(m.origins, origin{o, outer})
	return o, nil
}

func (m *mover) fail(o *op, format string, args ...any) {
	if m.err == nil {
		m.err = &Refusal{m.steps.from.typ, m.steps.to.typ, []Reason{{m.pathOf(o), fmt.Sprintf(format, args...)}}}
	}
}

// pathOf returns the path to an op, for messages. It looks in the plan first, then in the interfaces seen so far.
func (m *mover) pathOf(o *op) string {
	if path, ok := m.steps.find(o); ok {
		return path
	}
	for _, g := range m.origins {
		if path, ok := g.inner.find(o); ok {
			return m.pathOf(g.outer) + path[len(root):]
		}
	}
	return root
}

func (o *op) find(what *op) (path string, ok bool) {
	o.follow(root, func(o *op, p string) {
		if o == what && !ok {
			path, ok = p, true
		}
	})
	return path, ok
}
