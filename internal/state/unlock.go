package state

import (
	"reflect"
	"sync"
	"unsafe"
)

// unlock sets the locks of a value to zero, as a conversion does, and returns the paths of those that were held. It looks at
// the value itself and behind its pointers, not into maps and slices: that would take time for each of their entries. The
// caller knows that nobody uses the value, so nobody is left who could unlock them.
func unlock(value any) (held []string) {
	seen := map[place]bool{}
	var look func(t reflect.Type, p unsafe.Pointer, path string)
	look = func(t reflect.Type, p unsafe.Pointer, path string) {
		if elem, ok := pointee(t); ok {
			to := *(*unsafe.Pointer)(p)
			if at := (place{elem, to, 1}); to != nil && !seen[at] && len(seen) < mostUnlocked {
				seen[at] = true
				look(elem, to, path)
			}
			return
		}
		if t.Kind() != reflect.Struct {
			return
		}
		switch t {
		case reflect.TypeFor[sync.Mutex]():
			if m := (*sync.Mutex)(p); !m.TryLock() {
				*(*[unsafe.Sizeof(sync.Mutex{})]byte)(p) = [unsafe.Sizeof(sync.Mutex{})]byte{}
				held = append(held, path)
			} else {
				m.Unlock()
			}
			return
		case reflect.TypeFor[sync.RWMutex]():
			if m := (*sync.RWMutex)(p); !m.TryLock() {
				*(*[unsafe.Sizeof(sync.RWMutex{})]byte)(p) = [unsafe.Sizeof(sync.RWMutex{})]byte{}
				held = append(held, path)
			} else {
				m.Unlock()
			}
			return
		}
		if classOf(t) != open {
			return
		}
		for f := range t.Fields() {
			look(f.Type, unsafe.Add(p, f.Offset), path+"."+f.Name)
		}
	}
	t := reflect.TypeOf(value)
	if t == nil {
		return nil
	}
	if _, ok := pointee(t); ok { // a struct in the interface itself is a copy
		look(t, box(reflect.ValueOf(value)), root)
	}
	return held
}

// mostUnlocked bounds how many objects unlock looks at: in a list that is linked by pointers there is no end.
const mostUnlocked = 1 << 10
