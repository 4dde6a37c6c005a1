package state

import (
	"encoding"
	"errors"
	"reflect"
	"sync/atomic"
	"unsafe"
)

// codec writes and reads values of a closed type through the type's own methods.
type codec struct {
	marshal   func(p unsafe.Pointer) ([]byte, error)
	unmarshal func(p unsafe.Pointer, b []byte) error
}

// codecOf returns the codec of t, or nil if t has no suitable methods.
func codecOf(t reflect.Type) *codec {
	if t == reflect.TypeFor[atomic.Bool]() {
		return &codec{marshalBool, unmarshalBool}
	}
	at := func(p unsafe.Pointer) any { return reflect.NewAt(t, p).Interface() }
	switch reflect.New(t).Interface().(type) {
	case interface {
		encoding.BinaryMarshaler
		encoding.BinaryUnmarshaler
	}:
		return &codec{
			func(p unsafe.Pointer) ([]byte, error) { return at(p).(encoding.BinaryMarshaler).MarshalBinary() },
			func(p unsafe.Pointer, b []byte) error {
				return at(p).(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
			},
		}
	case interface {
		encoding.TextMarshaler
		encoding.TextUnmarshaler
	}:
		return &codec{
			func(p unsafe.Pointer) ([]byte, error) { return at(p).(encoding.TextMarshaler).MarshalText() },
			func(p unsafe.Pointer, b []byte) error { return at(p).(encoding.TextUnmarshaler).UnmarshalText(b) },
		}
	}
	return nil
}

func marshalBool(p unsafe.Pointer) ([]byte, error) {
	if (*atomic.Bool)(p).Load() {
		return []byte{1}, nil
	}
	return []byte{0}, nil
}

func unmarshalBool(p unsafe.Pointer, b []byte) error {
	if len(b) != 1 || b[0] > 1 {
		return errors.New("not a boolean")
	}
	(*atomic.Bool)(p).Store(b[0] == 1)
	return nil
}
