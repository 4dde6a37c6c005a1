package state

import (
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
)

// The reader of a stream must find the type of an interface's value by its name. These types can be found, and so can
// slices, maps and pointers of them.
var dynamicTypes = sync.OnceValue(func() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[any](),
		reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](),
		reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](),
		reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
		reflect.TypeFor[uintptr](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
		reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
		reflect.TypeFor[abi.Table](), reflect.TypeFor[abi.Column](), reflect.TypeFor[abi.Kind](), reflect.TypeFor[abi.Query](),
		reflect.TypeFor[abi.Batch](), reflect.TypeFor[abi.Tick](), reflect.TypeFor[abi.Trigger](), reflect.TypeFor[abi.Arg](), reflect.TypeFor[abi.State](),
		reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[time.Month](), reflect.TypeFor[time.Weekday](),
		reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[net.IP](),
		reflect.TypeFor[url.URL](), reflect.TypeFor[url.Values](), reflect.TypeFor[http.Header](),
		reflect.TypeFor[json.Number](), reflect.TypeFor[json.RawMessage](),
		reflect.TypeFor[big.Int](), reflect.TypeFor[big.Float](),
	} {
		m[shaper{}.of(t).name] = t
	}
	return m
})

// nameable reports whether typeOf can find t by its name.
func nameable(t reflect.Type, depth int) bool {
	if found, ok := dynamicTypes()[(shaper{}).of(t).name]; ok {
		return found == t
	}
	if t.Name() != "" || depth == 0 {
		return false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return nameable(t.Elem(), depth-1)
	case reflect.Map:
		return nameable(t.Key(), depth-1) && nameable(t.Elem(), depth-1)
	}
	return false
}

// mostNested bounds the types that typeOf makes, because they stay in the process permanently.
const mostNested = 8

// typeOf returns the type that a shape from a stream stands for, or nil if it isn't known.
func typeOf(s *shape, depth int) reflect.Type {
	if t, ok := dynamicTypes()[s.name]; ok {
		return t
	}
	if depth == 0 {
		return nil
	}
	switch s.kind {
	case reflect.Pointer:
		if elem := typeOf(s.elem, depth-1); elem != nil {
			return reflect.PointerTo(elem)
		}
	case reflect.Slice:
		if elem := typeOf(s.elem, depth-1); elem != nil {
			return reflect.SliceOf(elem)
		}
	case reflect.Map:
		key, elem := typeOf(s.key, depth-1), typeOf(s.elem, depth-1)
		if key != nil && elem != nil && key.Comparable() {
			return reflect.MapOf(key, elem)
		}
	}
	return nil
}
