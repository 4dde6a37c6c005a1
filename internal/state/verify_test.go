package state

import (
	"reflect"
	"testing"
	"unsafe"
)

// TestChannelsAndRawPointers moves values whose content can't be inspected: they are refused unless they are nil, or the whole
// value moves by reference.
func TestChannelsAndRawPointers(t *testing.T) {
	type channel = struct{ C chan any }
	type pointer = struct{ P unsafe.Pointer }
	for _, value := range []any{channel{}, pointer{}} {
		if err := moveErr[*node2](&node{any: value}, Options{}); err != nil {
			t.Errorf("%T of nil: %v", value, err)
		}
	}
	refused(t, moveErr[*node2](&node{any: channel{make(chan any)}}, Options{}), "state.any.C", "chan interface {}: its content can't be inspected")
	refused(t, moveErr[*node2](&node{any: pointer{unsafe.Pointer(t)}}, Options{}), "state.any.P", "unsafe.Pointer: its content can't be inspected")
	for _, value := range []any{channel{make(chan any)}, pointer{unsafe.Pointer(t)}} {
		if err := moveErr[map[string]any](map[string]any{"a": value}, Options{}); err != nil {
			t.Errorf("%T by reference: %v", value, err)
		}
	}
}

// TestUnnamedTypes looks into interfaces that hold values of unnamed types.
func TestUnnamedTypes(t *testing.T) {
	for _, value := range []any{
		[]interface{ hidden() }{}, []interface{ Shown(entry) }{}, []*entry{}, [1]entry{}, []struct{ E entry }{}, []struct{ hidden int }{},
		map[entry]int{}, map[int]entry{}, []func(entry){}, []func() entry{}, []chan entry{},
	} {
		refused(t, moveErr[*node2](&node{any: value}, Options{}), "state.any", "a type of the old generation")
	}
	for _, value := range []any{
		[]interface{ Shown(int) }{}, []*int{}, [1]int{}, []struct{ N int }{}, map[string]int{}, []func(string) int{}, (chan int)(nil),
	} {
		if err := moveErr[*node2](&node{any: value}, Options{}); err != nil {
			t.Errorf("%T: %v", value, err)
		}
	}
}

// TestMoveWantsThePlansType calls Move with values of other types.
func TestMoveWantsThePlansType(t *testing.T) {
	p := Compare(reflect.TypeFor[int32](), reflect.TypeFor[int64]())
	for _, value := range []any{nil, int64(1), "1"} {
		_, _, err := p.Move(value, Options{})
		refused(t, err, "state", "the plan is for int32, not for "+typeName(reflect.TypeOf(value)))
	}
	_, _, err := Compare(nil, reflect.TypeFor[int]()).Move(nil, Options{})
	refused(t, err, "state", "no value")
}
