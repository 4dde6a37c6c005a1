package state

import (
	"reflect"
	"sync/atomic"
	"unsafe"
)

// atomicNumber returns the kind of number that a type of sync/atomic holds. Its only word is the number, and nobody else
// touches it while a state moves, so it is read and written like a plain number.
func atomicNumber(t reflect.Type) (reflect.Kind, bool) {
	switch t {
	case reflect.TypeFor[atomic.Int32]():
		return reflect.Int32, true
	case reflect.TypeFor[atomic.Int64]():
		return reflect.Int64, true
	case reflect.TypeFor[atomic.Uint32]():
		return reflect.Uint32, true
	case reflect.TypeFor[atomic.Uint64]():
		return reflect.Uint64, true
	}
	return 0, false
}

func isNumber(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Complex128 }

// widens reports whether every number of kind from is also one of kind to. int and uint have 64 bits on every platform
// that sohost runs on.
func widens(from, to reflect.Kind) bool {
	if from == to {
		return true
	}
	a, b := numbers[from], numbers[to]
	switch {
	case from == reflect.Uintptr || to == reflect.Uintptr:
		return false // an address, or a number as wide as one: not a count
	case a.class == b.class:
		return a.bits <= b.bits
	case a.class == 'u' && b.class == 'i':
		return a.bits < b.bits
	case (a.class == 'u' || a.class == 'i') && b.class == 'f':
		return a.bits <= b.bits/2 // 16 bits fit the 24 of a float32's mantissa, 32 bits the 53 of a float64's
	}
	return false
}

type number struct {
	class byte // 'i' signed, 'u' unsigned, 'f' float, 'c' complex
	bits  int
}

var numbers = [reflect.Complex128 + 1]number{
	reflect.Int: {'i', 64}, reflect.Int8: {'i', 8}, reflect.Int16: {'i', 16}, reflect.Int32: {'i', 32}, reflect.Int64: {'i', 64},
	reflect.Uint: {'u', 64}, reflect.Uint8: {'u', 8}, reflect.Uint16: {'u', 16}, reflect.Uint32: {'u', 32}, reflect.Uint64: {'u', 64},
	reflect.Uintptr: {'u', 64},
	reflect.Float32: {'f', 32}, reflect.Float64: {'f', 64},
	reflect.Complex64: {'c', 64}, reflect.Complex128: {'c', 128},
}

func loadInt(k reflect.Kind, p unsafe.Pointer) int64 {
	switch numbers[k].bits {
	case 8:
		return int64(*(*int8)(p))
	case 16:
		return int64(*(*int16)(p))
	case 32:
		return int64(*(*int32)(p))
	}
	return *(*int64)(p)
}

func loadUint(k reflect.Kind, p unsafe.Pointer) uint64 {
	switch numbers[k].bits {
	case 8:
		return uint64(*(*uint8)(p))
	case 16:
		return uint64(*(*uint16)(p))
	case 32:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

func loadFloat(k reflect.Kind, p unsafe.Pointer) float64 {
	if k == reflect.Float32 {
		return float64(*(*float32)(p))
	}
	return *(*float64)(p)
}

func loadComplex(k reflect.Kind, p unsafe.Pointer) complex128 {
	if k == reflect.Complex64 {
		return complex128(*(*complex64)(p))
	}
	return *(*complex128)(p)
}

// storeBits writes the low bits of an integer; those of a negative one are its two's complement in every width.
func storeBits(k reflect.Kind, p unsafe.Pointer, x uint64) {
	switch numbers[k].bits {
	case 8:
		*(*uint8)(p) = uint8(x)
	case 16:
		*(*uint16)(p) = uint16(x)
	case 32:
		*(*uint32)(p) = uint32(x)
	default:
		*(*uint64)(p) = x
	}
}

func storeFloat(k reflect.Kind, p unsafe.Pointer, x float64) {
	if k == reflect.Float32 {
		*(*float32)(p) = float32(x)
	} else {
		*(*float64)(p) = x
	}
}

func storeComplex(k reflect.Kind, p unsafe.Pointer, x complex128) {
	if k == reflect.Complex64 {
		*(*complex64)(p) = complex64(x)
	} else {
		*(*complex128)(p) = x
	}
}

// widen writes the number at src to dst. The caller has checked with widens that it fits.
func widen(from, to reflect.Kind, src, dst unsafe.Pointer) {
	switch numbers[from].class {
	case 'i':
		if x := loadInt(from, src); numbers[to].class == 'f' {
			storeFloat(to, dst, float64(x))
		} else {
			storeBits(to, dst, uint64(x))
		}
	case 'u':
		if x := loadUint(from, src); numbers[to].class == 'f' {
			storeFloat(to, dst, float64(x))
		} else {
			storeBits(to, dst, x)
		}
	case 'f':
		storeFloat(to, dst, loadFloat(from, src))
	case 'c':
		storeComplex(to, dst, loadComplex(from, src))
	}
}
