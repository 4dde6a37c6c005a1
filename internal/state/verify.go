package state

import (
	"container/list"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"
)

// verifier checks what the type of a value doesn't show: whether the dynamic values of interfaces, and functions where the
// type allows them, belong only to the giver. It goes only where something can be found, and keeps a list of what is left
// to check, so that even a deep state doesn't need a deep stack.
type verifier struct {
	foreigner
	lenient bool // opaque types pass: the value moves by reference, and a shared type may hold anything
	paths   bool // record the path to each place; costs an allocation each, so it is set only once something was found
	reason  *Reason

	seen  map[place]bool
	queue []check
}

type place struct {
	t reflect.Type
	p unsafe.Pointer
	n int
}

// check is n consecutive values of type t at p or, if n is wholeMap, the map at p.
type check struct {
	t    reflect.Type
	p    unsafe.Pointer
	n    int
	path *step
}

const wholeMap = -1

// step is the last step of a path.
type step struct {
	up   *step
	name string
}

func (s *step) String() string {
	if s == nil {
		return root
	}
	return s.up.String() + s.name
}

// verify returns a reason why value can't move to another generation, or nil. It looks for paths only in a second walk, once
// a first one has found something.
func verify(value any, o Options, lenient bool) *Reason {
	if value == nil || clean(reflect.TypeOf(value)) {
		return nil
	}
	for _, paths := range []bool{false, true} {
		v := verifier{foreigner: foreigner{shared: o.Shared}, lenient: lenient, paths: paths, seen: map[place]bool{}}
		if v.walk(value); v.reason == nil {
			return nil
		} else if paths {
			return v.reason
		}
	}
	return nil
}

func (v *verifier) walk(value any) {
	t := reflect.TypeOf(value)
	v.inline(t, box(reflect.ValueOf(value)), nil)
	for len(v.queue) > 0 && v.reason == nil {
		c := v.queue[len(v.queue)-1]
		v.queue = v.queue[:len(v.queue)-1]
		if c.n == wholeMap {
			v.entries(c)
			continue
		}
		for i := range c.n {
			v.inline(c.t, unsafe.Add(c.p, uintptr(i)*c.t.Size()), c.path)
		}
	}
}

// box returns the address of a copy of v.
func box(v reflect.Value) unsafe.Pointer {
	b := reflect.New(v.Type())
	b.Elem().Set(v)
	return b.UnsafePointer()
}

func (v *verifier) entries(c check) {
	if methodKey(c.t.Key()) {
		v.fail(v.at(c.path, "[key]"), methodKeyText)
		return
	}
	m := reflect.NewAt(c.t, unsafe.Pointer(&c.p)).Elem()
	key, elem := reflect.New(c.t.Key()), reflect.New(c.t.Elem())
	keys, elems := v.at(c.path, "[key]"), v.at(c.path, "[]")
	for it := m.MapRange(); it.Next() && v.reason == nil; {
		key.Elem().SetIterKey(it)
		v.inline(c.t.Key(), key.UnsafePointer(), keys)
		elem.Elem().SetIterValue(it)
		v.inline(c.t.Elem(), elem.UnsafePointer(), elems)
	}
}

// inline checks the value of type t at p. The memory at p may be reused as soon as inline returns.
func (v *verifier) inline(t reflect.Type, p unsafe.Pointer, path *step) {
	if v.reason != nil || clean(t) {
		return
	}
	if elem, ok := pointee(t); ok {
		v.push(elem, *(*unsafe.Pointer)(p), 1, path)
		return
	}
	switch t.Kind() {
	case reflect.Map:
		v.push(t, *(*unsafe.Pointer)(p), wholeMap, path)
	case reflect.Slice:
		h := (*sliceHeader)(p)
		if h.len > 0 {
			v.push(t.Elem(), h.data, h.len, v.at(path, "[]"))
		}
	case reflect.Array:
		at := v.at(path, "[]")
		for i := range t.Len() {
			v.inline(t.Elem(), unsafe.Add(p, uintptr(i)*t.Elem().Size()), at)
		}
	case reflect.Struct:
		v.fields(t, p, path)
	case reflect.Interface:
		if i := reflect.NewAt(t, p).Elem(); !i.IsNil() {
			v.dynamic(i.Elem(), path)
		}
	case reflect.Func:
		if f := reflect.NewAt(t, p).Elem(); !f.IsNil() && !v.harmless(f) {
			v.fail(path, "function that may run the old generation's code")
		}
	case reflect.Chan, reflect.UnsafePointer:
		if *(*unsafe.Pointer)(p) != nil && !v.lenient {
			v.fail(path, "%v: its content can't be inspected", t)
		}
	}
}

func (v *verifier) fields(t reflect.Type, p unsafe.Pointer, path *step) {
	switch classOf(t) {
	case opaque:
		if !v.lenient {
			v.fail(path, "%v may refer to the old generation's code", t)
		}
		return
	case container:
		if v.contents(t, p, path) {
			return
		}
	}
	for i := range t.NumField() {
		if f := t.Field(i); !clean(f.Type) {
			v.inline(f.Type, unsafe.Add(p, f.Offset), v.at(path, "."+f.Name))
		}
	}
}

// contents checks the content of containers whose fields don't show it, or show it in more steps than necessary. It
// reports whether t is such a container.
func (v *verifier) contents(t reflect.Type, p unsafe.Pointer, path *step) bool {
	at := v.at(path, "[]")
	holds := func(x any) bool {
		if x != nil {
			v.dynamic(reflect.ValueOf(x), at)
		}
		return v.reason == nil
	}
	switch t {
	case reflect.TypeFor[sync.Map]():
		(*sync.Map)(p).Range(func(key, elem any) bool { return holds(key) && holds(elem) })
	case reflect.TypeFor[atomic.Value]():
		holds((*atomic.Value)(p).Load())
	case reflect.TypeFor[list.List]():
		l := (*list.List)(p)
		for e := l.Front(); e != nil && holds(e.Value); e = e.Next() {
		}
	default:
		return false
	}
	return true
}

// dynamic checks the dynamic value of an interface.
func (v *verifier) dynamic(x reflect.Value, path *step) {
	t := x.Type()
	if v.owns(t) {
		v.fail(path, "interface holds a %v, a type of the old generation only", t)
		return
	}
	if !clean(t) {
		v.push(t, box(x), 1, path)
	}
}

func (v *verifier) push(t reflect.Type, p unsafe.Pointer, n int, path *step) {
	if p == nil || clean(t) || v.seen[place{t, p, n}] {
		return
	}
	v.seen[place{t, p, n}] = true
	v.queue = append(v.queue, check{t, p, n, path})
}

func (v *verifier) at(path *step, name string) *step {
	if !v.paths {
		return nil
	}
	return &step{path, name}
}

func (v *verifier) fail(path *step, format string, args ...any) {
	if v.reason == nil {
		v.reason = &Reason{path.String(), fmt.Sprintf(format, args...)}
	}
}

type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}
