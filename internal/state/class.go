package state

import (
	"reflect"
	"strings"
	"sync"
)

// class sorts the closed types: structs of the standard library with unexported fields. Their content is private to their
// package, so what can be done with a value follows from what is known about the type, not from its fields.
type class uint8

const (
	open      class = iota // not a closed type: its fields are inspected one by one
	plain                  // hides nothing that could refer to a generation, but can't be copied
	value                  // may be copied by assignment
	data                   // may be copied deeply, like a plugin's own struct
	lock                   // unlocked while the state moves: a copy starts at zero
	handle                 // stands for something outside: a copy refers to the same thing
	generator              // like a handle, but its source may be a type of the plugin's own: verify looks at that
	container              // holds values of any type, and verify can look into it
	opaque                 // hides functions, interfaces or raw pointers
)

var listed = map[string]class{
	"time.Time":          value,
	"net/netip.Addr":     value,
	"net/netip.AddrPort": value,
	"net/netip.Prefix":   value,
	"unique.Handle":      value,
	"math/big.Int":       data,
	"math/big.Rat":       data,
	"math/big.Float":     data,
	"bytes.Buffer":       data,
	"net/url.Userinfo":   data,
	"sync.Mutex":         lock,
	"sync.RWMutex":       lock,
	"sync.WaitGroup":     lock,
	"time.Location":      handle, // time.Local is identified by its address
	"regexp.Regexp":      handle, // never changes
	"os.File":            handle,
	"os.Root":            handle,
	"net.TCPConn":        handle,
	"net.TCPListener":    handle,
	"net.UDPConn":        handle,
	"net.UnixConn":       handle,
	"net.UnixListener":   handle,
	"database/sql.DB":    handle,
	"database/sql.Stmt":  handle,
	"math/rand.Rand":     generator,
	"math/rand/v2.Rand":  generator,
	"errors.errorString": handle, // errors like io.EOF are identified by their address
	"fmt.wrapError":      container, "fmt.wrapErrors": container, "errors.joinError": container,
	"sync.Cond":           plain,
	"sync.Map":            container,
	"sync/atomic.Value":   container,
	"container/list.List": container, "container/list.Element": container,
	"container/ring.Ring": container,
	"time.Timer":          opaque, // reflection doesn't show the function of AfterFunc
}

// classOf returns the class of t.
func classOf(t reflect.Type) class {
	if t.Kind() != reflect.Struct || !isStd(t.PkgPath()) || !closed(t) {
		return open
	}
	name, _, generic := strings.Cut(t.PkgPath()+"."+t.Name(), "[")
	if c, ok := listed[name]; ok {
		return c
	}
	if generic && (&foreigner{}).arguments(t.Name()) {
		return opaque
	}
	if !clean(t) {
		return opaque
	}
	if !pointers(t) {
		return value
	}
	return plain
}

func closed(t reflect.Type) bool {
	for f := range t.Fields() {
		if !f.IsExported() && f.Name != "_" {
			return true
		}
	}
	return false
}

// pointee returns the type that t points to if t is a pointer or an atomic.Pointer, whose only word is the pointer.
func pointee(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		return t.Elem(), true
	}
	if t.Kind() == reflect.Struct && t.PkgPath() == "sync/atomic" && strings.HasPrefix(t.Name(), "Pointer[") {
		if mark := t.Field(0).Type; mark.Kind() == reflect.Array && mark.Len() == 0 && t.Size() == wordSize {
			return mark.Elem().Elem(), true
		}
	}
	return nil, false
}

const wordSize = 8

// pointers reports whether the garbage collector would look at a variable of type t.
func pointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && pointers(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if pointers(f.Type) {
				return true
			}
		}
		return false
	case reflect.String, reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Chan, reflect.Func,
		reflect.UnsafePointer:
		return true
	}
	return false
}

// cleans caches the results of clean. Types are never unloaded, so its entries stay.
var cleans sync.Map // reflect.Type → bool

// clean reports whether t alone determines the types of everything that its values can hold: t has no interface,
// function, raw pointer or channel of such, at any depth. Values of clean types are never walked.
func clean(t reflect.Type) bool {
	if known, ok := cleans.Load(t); ok {
		return known.(bool)
	}
	seen := map[reflect.Type]bool{}
	ok := cleanIn(t, seen)
	if ok {
		for s := range seen {
			cleans.Store(s, true) // every type that was reached is clean too
		}
	}
	cleans.Store(t, ok)
	return ok
}

func cleanIn(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	if elem, ok := pointee(t); ok {
		return cleanIn(elem, seen)
	}
	switch t.Kind() {
	case reflect.Interface, reflect.Func, reflect.UnsafePointer:
		return false
	case reflect.Slice, reflect.Array, reflect.Chan:
		return cleanIn(t.Elem(), seen)
	case reflect.Map:
		return cleanIn(t.Key(), seen) && cleanIn(t.Elem(), seen)
	case reflect.Struct:
		if name := t.PkgPath() + "." + t.Name(); isStd(t.PkgPath()) {
			switch listed[name] {
			case plain, value, data, lock, handle:
				return true
			case container, generator, opaque:
				return false
			}
		}
		for f := range t.Fields() {
			if !cleanIn(f.Type, seen) {
				return false
			}
		}
	}
	return true
}
