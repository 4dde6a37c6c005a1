package state

import (
	"fmt"
	"reflect"
	"slices"
)

// fitter finds the steps from one shape to another. All rules are here, and docs/state.md lists them for users: a step is
// refused if a value could not arrive without loss; only whole fields may be added or removed.
type fitter map[pairing]*op

type pairing struct {
	from, to *shape
	key      bool
}

// fit returns the steps from f to t. key reports whether the value is a map key or a part of one: then a step must also keep
// different values different, or entries would vanish.
func (m fitter) fit(f, t *shape, key bool) *op {
	at := pairing{f, t, key}
	if o := m[at]; o != nil {
		return o
	}
	o := &op{from: f, to: t}
	m[at] = o
	switch {
	case f.typ != nil && f.typ == t.typ && f.leaf():
		o.code = opBytes
	case f.kind == stdKind || t.kind == stdKind || f.kind == lockKind || t.kind == lockKind:
		m.std(o, f, t)
	case f.kind == t.kind:
		m.alike(o, f, t, key)
	case isNumber(f.kind) && isNumber(t.kind):
		if widens(f.kind, t.kind) {
			o.code = opNumber
		} else {
			o.refuse("%s can't hold every %s", t.name, f.name)
		}
	case f.kind == reflect.Pointer && !key && f.elem.kind != reflect.Pointer:
		o.code = opDeref
		o.elem = m.fit(f.elem, t, key)
		o.inherit()
	case t.kind == reflect.Pointer && !key && t.elem.kind != reflect.Pointer:
		o.code = opAddress
		o.elem = m.fit(f, t.elem, key)
		o.inherit()
	default:
		o.refuse("type changed %s → %s", f.name, t.name)
	}
	if key && o.code == opRefuse && f.kind != t.kind {
		o.bad = fmt.Sprintf("map key type changed %s → %s", f.name, t.name)
	}
	return o
}

// inherit turns a refusal of the element into one that names both types.
func (o *op) inherit() {
	if o.elem.code == opRefuse {
		o.elem = nil
		o.refuse("type changed %s → %s", o.from.name, o.to.name)
	}
}

func (o *op) refuse(format string, args ...any) {
	o.code, o.bad = opRefuse, fmt.Sprintf(format, args...)
}

// alike fits shapes of the same kind.
func (m fitter) alike(o *op, f, t *shape, key bool) {
	switch f.kind {
	case reflect.Bool:
		o.code = opBool
	case reflect.String:
		o.code = opString
	case reflect.Pointer:
		if f.typ != nil && f.typ == t.typ && f.elem.kind == stdKind && (classOf(f.elem.typ) == handle || classOf(f.elem.typ) == generator) {
			o.code = opShare
			return
		}
		o.code = opPointer
		o.elem = m.fit(f.elem, t.elem, false)
	case reflect.Slice:
		o.code = opSlice
		o.elem = m.fit(f.elem, t.elem, false)
	case reflect.Array:
		if f.len > t.len {
			o.refuse("array shortened from %d to %d", f.len, t.len)
			return
		}
		o.code = opArray
		o.elem = m.fit(f.elem, t.elem, key)
	case reflect.Map:
		o.code = opMap
		o.key, o.elem = m.fit(f.key, t.key, true), m.fit(f.elem, t.elem, false)
	case reflect.Struct:
		m.structure(o, f, t, key)
	case reflect.Interface:
		o.code = opInterface
		if key && t.typ.NumMethod() > 0 {
			o.refuse(methodKeyText)
		}
	case reflect.Chan:
		if f.typ == nil || f.typ.Elem() != t.typ.Elem() || f.typ.ChanDir() != t.typ.ChanDir() || !clean(f.typ) {
			o.refuse("a %s can't be carried over", f.name)
			return
		}
		o.code = opShare
	case reflect.Func:
		o.refuse("function: it would keep running the old generation's code")
	case reflect.UnsafePointer:
		o.refuse("unsafe.Pointer: its target is unknown")
	default:
		o.code = opNumber
	}
}

// std fits closed types and locks.
func (m fitter) std(o *op, f, t *shape) {
	switch {
	case f.kind == lockKind && t.kind == lockKind:
		o.code = opLock
	case f.kind != t.kind || f.name != t.name:
		o.refuse("type changed %s → %s", f.name, t.name)
	case f.typ == nil || classOf(f.typ) == value:
		o.code = opStd
	default:
		o.refuse("a %s can't be copied", f.name)
	}
}

// structure pairs fields by name. A field gets the value of the old field with its name. If there is none, it gets that of an
// old field with one of its earlier names, unless a field with that name still exists; or, going back, that of the newer
// field which has its name as an earlier one.
func (m fitter) structure(o *op, f, t *shape, key bool) {
	if (f.closed || t.closed) && f.name != t.name {
		o.refuse("type changed %s → %s", f.name, t.name)
		return
	}
	o.code = opStruct
	taken := make([]bool, len(f.fields))
	find := func(name string) int {
		return slices.IndexFunc(f.fields, func(x field) bool { return x.name == name })
	}
	for _, to := range t.fields {
		i := find(to.name)
		if i < 0 { // going back: the giver's field knows the receiver's name as a former one
			i = slices.IndexFunc(f.fields, func(x field) bool {
				return slices.Contains(x.was, to.name) && !slices.ContainsFunc(t.fields, func(y field) bool { return y.name == x.name })
			})
			if i >= 0 && taken[i] {
				i = -1
			}
			if i >= 0 {
				o.renamed = append(o.renamed, f.fields[i].name+" → "+to.name)
			}
		}
		for _, was := range to.was {
			if i >= 0 {
				break
			}
			if i = find(was); i >= 0 && (taken[i] || slices.ContainsFunc(t.fields, func(x field) bool { return x.name == was })) {
				i = -1
			}
			if i >= 0 {
				o.renamed = append(o.renamed, was+" → "+to.name)
			}
		}
		if i < 0 {
			if to.shape.kind != lockKind {
				o.added = append(o.added, to.name)
			}
			continue
		}
		taken[i] = true
		o.fields = append(o.fields, fieldOp{to.name, f.fields[i].offset, to.offset, i, m.fit(f.fields[i].shape, to.shape, key)})
	}
	for i, from := range f.fields {
		if !taken[i] && from.shape.kind != lockKind {
			o.removed = append(o.removed, from.name)
		}
	}
	if key && len(o.removed) > 0 {
		o.refuse("map key lost its field %s", o.removed[0])
	}
}
