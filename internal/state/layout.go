package state

import (
	"fmt"
	"reflect"
	"strings"
)

// layout compares two types down to the last word that can be reached through them. It makes adoption sound: if it finds no
// difference, code compiled for either type reads and writes the same bytes in the same way, hashes and compares
// map keys alike, and the garbage collector sees the same pointers. Names of fields count, names of types don't.
type layout struct {
	seen    map[[2]reflect.Type]bool
	shared  map[sharedType]bool
	reasons []Reason
}

type sharedType struct {
	t     reflect.Type
	named bool
}

func (l *layout) refuse(path, format string, args ...any) {
	l.reasons = append(l.reasons, Reason{path, fmt.Sprintf(format, args...)})
}

// compare adds the differences between a and b to reasons. It assumes that a pair it is already comparing is alike, because
// any difference is a reason on its own.
func (l *layout) compare(a, b reflect.Type, path string) {
	if l.seen[[2]reflect.Type{a, b}] {
		return
	}
	l.seen[[2]reflect.Type{a, b}] = true
	if a == b {
		l.same(a, path, false)
		return
	}
	if a.Kind() != b.Kind() {
		l.refuse(path, "type changed %v → %v", a, b)
		return
	}
	if a.Size() != b.Size() || a.Align() != b.Align() || a.FieldAlign() != b.FieldAlign() {
		// A reason found in the fields is more specific, so this one is used only if there is none.
		defer func(n int) {
			if len(l.reasons) == n {
				l.refuse(path, "size or alignment changed")
			}
		}(len(l.reasons))
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice:
		l.compare(a.Elem(), b.Elem(), path+brackets(a))
	case reflect.Array:
		if a.Len() != b.Len() {
			l.refuse(path, "array length changed %d → %d", a.Len(), b.Len())
		}
		l.compare(a.Elem(), b.Elem(), path+"[]")
	case reflect.Map:
		l.keys(a.Key(), path)
		l.compare(a.Key(), b.Key(), path+"[key]")
		l.compare(a.Elem(), b.Elem(), path+"[]")
	case reflect.Struct:
		l.fields(a, b, path)
	case reflect.Interface:
		// In an interface with methods, the word before the value leads to the giver's method table. Because of it, two
		// equal values of giver and receiver would be unequal.
		if a.NumMethod() != 0 || b.NumMethod() != 0 {
			l.refuse(path, "interface type %v with methods belongs to the plugin", a)
		}
	case reflect.Chan:
		// The runtime identifies a channel's type by its element type.
		if a.Elem() != b.Elem() || a.ChanDir() != b.ChanDir() || !clean(a.Elem()) {
			l.refuse(path, "channel of %v: its content can't be inspected", a.Elem())
		}
	case reflect.Func:
		l.refuse(path, "function: it would keep running the old generation's code")
	case reflect.UnsafePointer:
		l.refuse(path, "unsafe.Pointer: its target is unknown")
	}
}

func (l *layout) fields(a, b reflect.Type, path string) {
	if elemA, ok := pointee(a); ok {
		if elemB, ok := pointee(b); ok {
			l.compare(elemA, elemB, path)
			return
		}
	}
	for _, t := range []reflect.Type{a, b} {
		// unique and weak keep tables by type: the memory is the same, its meaning is not.
		if isStd(t.PkgPath()) && classOf(t) != open {
			l.refuse(path, "%v of the plugin's own types can't change generations", t)
			return
		}
	}
	if a.NumField() != b.NumField() {
		l.refuse(path, "%d fields → %d fields", a.NumField(), b.NumField())
		return
	}
	for i := range a.NumField() {
		x, y := a.Field(i), b.Field(i)
		at := path + "." + x.Name
		switch {
		case x.Name != y.Name:
			l.refuse(at, "field changed to %s", y.Name)
		case x.Anonymous != y.Anonymous:
			l.refuse(at, "field embedded on one side only")
		case x.Offset != y.Offset:
			l.refuse(at, "offset changed %d → %d", x.Offset, y.Offset)
		}
		l.compare(x.Type, y.Type, at)
	}
}

// same checks a type that both sides share. Its layout is the same, but it may tie the receiver to the giver's code. Below a
// named type the code is shared as well, so a function there is judged by its value.
func (l *layout) same(t reflect.Type, path string, named bool) {
	if clean(t) || l.shared[sharedType{t, named}] {
		return
	}
	l.shared[sharedType{t, named}] = true
	if elem, ok := pointee(t); ok {
		l.same(elem, path, named)
		return
	}
	named = named || t.Name() != "" && t.Kind() != reflect.Func
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		l.same(t.Elem(), path+"[]", named)
	case reflect.Map:
		l.keys(t.Key(), path)
		l.same(t.Key(), path+"[key]", named)
		l.same(t.Elem(), path+"[]", named)
	case reflect.Chan:
		l.refuse(path, "channel of %v: its content can't be inspected", t.Elem())
	case reflect.Func:
		if !named {
			l.refuse(path, "function: it would keep running the old generation's code")
		}
	case reflect.UnsafePointer:
		l.refuse(path, "unsafe.Pointer: its target is unknown")
	case reflect.Struct:
		switch classOf(t) {
		case open:
			for f := range t.Fields() {
				l.same(f.Type, path+"."+f.Name, named)
			}
		case opaque:
			l.refuse(path, "%v may refer to the old generation's code", t)
		}
	}
}

func (l *layout) keys(t reflect.Type, path string) {
	if methodKey(t) {
		l.refuse(path+"[key]", methodKeyText)
	}
}

// methodKey reports whether keys of type t hold an interface with methods. Such a value leads to its dynamic type through a
// table, and two values are equal only if their tables are the same. Different images can have different tables for the
// same two types, so code of the receiver would not find what code of the giver has put into the map.
func methodKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return t.NumMethod() > 0
	case reflect.Array:
		return methodKey(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if methodKey(f.Type) {
				return true
			}
		}
	}
	return false
}

const methodKeyText = "an interface with methods can't be a map key: generations may disagree on which keys are equal"

func brackets(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return ""
	}
	return "[]"
}

// unsuffixed removes the content-addressed suffix, _g and twelve characters, from the package paths in a type's name.
func unsuffixed(name string) string {
	const length = len("_g") + 12
	var out strings.Builder
	for {
		i := strings.Index(name, "_g")
		if i < 0 || len(name) < i+length {
			break
		}
		end := i + length
		if strings.ContainsAny(name[i:end], "./[]*, ") || end == len(name) || name[end] != '.' {
			out.WriteString(name[:i+2])
			name = name[i+2:]
			continue
		}
		out.WriteString(name[:i])
		name = name[end:]
	}
	out.WriteString(name)
	return out.String()
}
