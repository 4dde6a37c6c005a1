package state

import (
	"reflect"
	"unsafe"
)

// mapWalk goes through a Go map as a range loop does, but shows where the entries are, which package reflect would copy. It may pause
// between two entries while others change the map: as in a range loop, it then comes to each entry that there was all the time once,
// to each that was added at most once for each time, and to none that was removed.
type mapWalk struct {
	it        *reflect.MapIter
	key, elem *unsafe.Pointer
}

// In a reflect.MapIter the places of the present key and element are the fields of these names.
var keyInIter, elemInIter, walksMaps = mapIterFields()

func mapIterFields() (key, elem uintptr, ok bool) {
	in, found := reflect.TypeFor[reflect.MapIter]().FieldByName("hiter")
	if !found || in.Type.Kind() != reflect.Struct {
		return 0, 0, false
	}
	k, hasKey := in.Type.FieldByName("key")
	e, hasElem := in.Type.FieldByName("elem")
	ok = hasKey && hasElem && k.Type.Kind() == reflect.UnsafePointer && e.Type.Kind() == reflect.UnsafePointer
	return in.Offset + k.Offset, in.Offset + e.Offset, ok
}

// walk begins to walk through the Go map whose word is p. walksMaps must be set.
func (s *shape) walk(p unsafe.Pointer) *mapWalk {
	it := reflect.NewAt(s.typ, unsafe.Pointer(&p)).Elem().MapRange()
	at := unsafe.Pointer(it)
	return &mapWalk{it, (*unsafe.Pointer)(unsafe.Add(at, keyInIter)), (*unsafe.Pointer)(unsafe.Add(at, elemInIter))}
}

// next returns where the next entry is, until the map changes. ok is false at the end, after which next must not be called.
func (w *mapWalk) next() (key, elem unsafe.Pointer, ok bool) {
	if !w.it.Next() {
		return nil, nil, false
	}
	return *w.key, *w.elem, true
}
