package instance

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrNotImplemented is returned when an instance doesn't implement the interface that is required of it.
var ErrNotImplemented = errors.New("instance lacks what the host requires")

// Lacks returns nil if the value implements the interface, and otherwise an ErrNotImplemented that names the methods that it lacks or
// has in another form.
func Lacks(value any, required reflect.Type) error {
	t := reflect.TypeOf(value)
	if t == nil {
		return fmt.Errorf("%w: it is nil, want a %s", ErrNotImplemented, required)
	}
	if required.Kind() != reflect.Interface {
		if t == required {
			return nil
		}
		return fmt.Errorf("%w: it is a %s, want a %s", ErrNotImplemented, t, required)
	}
	if t.Implements(required) {
		return nil
	}
	var lacks []string
	for want := range required.Methods() {
		form := want.Name + strings.TrimPrefix(want.Type.String(), "func")
		found, ok := t.MethodByName(want.Name)
		switch {
		case want.PkgPath != "":
			lacks = append(lacks, fmt.Sprintf("%s, which only types of %s can have", want.Name, want.PkgPath))
		case !ok && t.Kind() != reflect.Pointer && has(reflect.PointerTo(t), want):
			lacks = append(lacks, fmt.Sprintf("%s, which *%s has: return a pointer", form, t.Name()))
		case !ok:
			lacks = append(lacks, form)
		case !alike(found.Type, want.Type):
			lacks = append(lacks, fmt.Sprintf("%s, and has %s", form, found.Name+formOf(found.Type)))
		}
	}
	return fmt.Errorf("%w: a %s is no %s; it lacks %s", ErrNotImplemented, t, required, strings.Join(lacks, "; "))
}

// has reports whether a type has the method.
func has(t reflect.Type, want reflect.Method) bool {
	m, ok := t.MethodByName(want.Name)
	return ok && alike(m.Type, want.Type)
}

// alike reports whether a method of a type, whose first parameter is the receiver, is that of an interface.
func alike(method, want reflect.Type) bool {
	if method.NumIn() != want.NumIn()+1 || method.NumOut() != want.NumOut() || method.IsVariadic() != want.IsVariadic() {
		return false
	}
	for i := range want.NumIn() {
		if method.In(i+1) != want.In(i) {
			return false
		}
	}
	for i := range want.NumOut() {
		if method.Out(i) != want.Out(i) {
			return false
		}
	}
	return true
}

// formOf returns a method's parameters and results as they are written.
func formOf(method reflect.Type) string {
	in := make([]reflect.Type, 0, method.NumIn())
	for i := 1; i < method.NumIn(); i++ {
		in = append(in, method.In(i))
	}
	out := make([]reflect.Type, 0, method.NumOut())
	for t := range method.Outs() {
		out = append(out, t)
	}
	return strings.TrimPrefix(reflect.FuncOf(in, out, method.IsVariadic()).String(), "func")
}
