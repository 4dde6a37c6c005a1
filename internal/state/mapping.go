package state

import (
	"reflect"
	"unsafe"
)

// A map is a Go map, or a keep.Map of package abi/keep. Each plugin has its own version of that package, so a keep.Map is known
// by its method ForHost, whose result has types of the standard library alone. Both are one word that refers to the entries,
// and both have the kind Map and look the same in a stream.

// keptMap is what *keep.Map has for the host. Keys and values are passed by address.
type keptMap interface {
	ForHost() struct {
		Key, Value reflect.Type
		Make       func(room int)
		Len        func() int
		Range      func(yield func(key, value unsafe.Pointer) bool)
		Get        func(key, value unsafe.Pointer) bool
		Set        func(key, value unsafe.Pointer)
		Snapshot   func() (snapshot unsafe.Pointer, end func())
	}
}

// keptTypes returns the types of keys and values if t is a keep.Map.
func keptTypes(t reflect.Type) (key, elem reflect.Type, ok bool) {
	if t.Kind() != reflect.Struct || t.Size() != wordSize || t.NumField() != 1 || !reflect.PointerTo(t).Implements(reflect.TypeFor[keptMap]()) {
		return nil, nil, false
	}
	m := reflect.New(t).Interface().(keptMap).ForHost()
	return m.Key, m.Value, true
}

// kept returns the keep.Map of type t whose word is p.
func kept(t reflect.Type, p unsafe.Pointer) keptMap {
	word := new(unsafe.Pointer)
	*word = p
	return reflect.NewAt(t, unsafe.Pointer(word)).Interface().(keptMap)
}

// mapLen returns the number of entries of the map whose word is p.
func (s *shape) mapLen(p unsafe.Pointer) int {
	if s.kept {
		return kept(s.typ, p).ForHost().Len()
	}
	return reflect.NewAt(s.typ, unsafe.Pointer(&p)).Elem().Len()
}

// entries calls visit with the addresses of each key and value of the map whose word is p, until it returns false. They are
// valid during the call.
func (s *shape) entries(p unsafe.Pointer, visit func(key, elem unsafe.Pointer) bool) {
	if s.kept {
		kept(s.typ, p).ForHost().Range(visit)
		return
	}
	m := reflect.NewAt(s.typ, unsafe.Pointer(&p)).Elem()
	key, elem := reflect.New(s.key.typ), reflect.New(s.elem.typ)
	for it := m.MapRange(); it.Next(); {
		key.Elem().SetIterKey(it)
		elem.Elem().SetIterValue(it)
		if !visit(key.UnsafePointer(), elem.UnsafePointer()) {
			return
		}
	}
}

// makeMap returns the word of a new map.
func (s *shape) makeMap(room int) unsafe.Pointer {
	if s.kept {
		m := reflect.New(s.typ)
		m.Interface().(keptMap).ForHost().Make(room)
		return *(*unsafe.Pointer)(m.UnsafePointer())
	}
	return reflect.MakeMapWithSize(s.typ, room).UnsafePointer()
}

// setter returns a function that adds an entry to the map whose word is p.
func (s *shape) setter(p unsafe.Pointer) func(key, elem unsafe.Pointer) {
	if s.kept {
		return kept(s.typ, p).ForHost().Set
	}
	m := reflect.NewAt(s.typ, unsafe.Pointer(&p)).Elem()
	return func(key, elem unsafe.Pointer) {
		m.SetMapIndex(reflect.NewAt(s.key.typ, key).Elem(), reflect.NewAt(s.elem.typ, elem).Elem())
	}
}

// getter returns a function that stores the element of a key of the map whose word is p, and reports whether there is one.
func (s *shape) getter(p unsafe.Pointer) func(key, elem unsafe.Pointer) bool {
	if s.kept {
		return kept(s.typ, p).ForHost().Get
	}
	m := reflect.NewAt(s.typ, unsafe.Pointer(&p)).Elem()
	return func(key, elem unsafe.Pointer) bool {
		found := m.MapIndex(reflect.NewAt(s.key.typ, key).Elem())
		if found.IsValid() {
			reflect.NewAt(s.elem.typ, elem).Elem().Set(found)
		}
		return found.IsValid()
	}
}

// keptMemory is about what an empty keep.Map takes, in bytes.
const keptMemory = 8 << 10

// mapMemory returns what the account counts for a map of n entries, in bytes.
func (s *shape) mapMemory(n int) int64 {
	bytes := int64(n) * int64(s.key.typ.Size()+s.elem.typ.Size()+1)
	if s.kept {
		bytes += keptMemory
	}
	return bytes
}
