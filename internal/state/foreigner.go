package state

import (
	"reflect"
	"runtime"
	"strings"
)

// foreigner finds the types and functions that belong to one generation only.
type foreigner struct {
	shared func(path string) bool // reports packages shared besides those that always are; may be nil
	known  map[reflect.Type]bool
}

// owns reports whether any part of t's name comes from a package that is not shared. The fields of a named type needn't be
// checked: the package that declares it can only name types of packages it imports, which are shared if it is.
func (f *foreigner) owns(t reflect.Type) bool {
	if own, ok := f.known[t]; ok {
		return own
	}
	if f.known == nil {
		f.known = map[reflect.Type]bool{}
	}
	f.known[t] = false // never read before it is set below, because unnamed types can't contain themselves
	own := f.look(t)
	f.known[t] = own
	return own
}

func (f *foreigner) look(t reflect.Type) bool {
	if t.Name() != "" {
		return f.private(t.PkgPath()) || f.arguments(t.Name())
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
		return f.owns(t.Elem())
	case reflect.Map:
		return f.owns(t.Key()) || f.owns(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			if f.private(field.PkgPath) || f.owns(field.Type) {
				return true
			}
		}
	case reflect.Func:
		for in := range t.Ins() {
			if f.owns(in) {
				return true
			}
		}
		for out := range t.Outs() {
			if f.owns(out) {
				return true
			}
		}
	case reflect.Interface:
		for m := range t.Methods() {
			if f.private(m.PkgPath) || f.owns(m.Type) {
				return true
			}
		}
	}
	return false
}

// arguments reports whether the name of an instantiated type, such as Pointer[example.com/p.entry], has type arguments from a
// package that is not shared. reflect shows type arguments nowhere else.
func (f *foreigner) arguments(name string) bool {
	_, args, ok := strings.Cut(name, "[")
	if !ok {
		return false
	}
	for word := range strings.FieldsFuncSeq(args, func(r rune) bool { return strings.ContainsRune("[]*(){},; \"", r) }) {
		if dot := strings.LastIndexByte(word, '.'); dot > 0 && f.private(word[:dot]) {
			return true
		}
	}
	return false
}

func (f *foreigner) private(path string) bool {
	return !always(path) && (f.shared == nil || !f.shared(path))
}

// harmless reports whether a non-nil func value is a plain function of a shared package, such as strings.ToLower. Closures
// and method values never are, because what they hold can't be seen.
func (f *foreigner) harmless(v reflect.Value) bool {
	fn := runtime.FuncForPC(v.Pointer())
	if fn == nil {
		return false
	}
	name := fn.Name()
	slash := strings.LastIndexByte(name, '/') + 1
	pkg, short, ok := strings.Cut(name[slash:], ".")
	return ok && !strings.ContainsAny(short, ".-[") && !f.private(name[:slash]+pkg)
}
