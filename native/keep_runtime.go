package native

import (
	"math/bits"
	"slices"
	"unsafe"
)

//lint:file-ignore U1000 what matters is what the compiler makes of it

// keep is never called. Its arguments make sure that nothing of it is known when it is compiled.
func keep(n int, s string, b []byte, v any, p *kept, m map[string]kept, c chan kept) {
	keepInterfaces(v)
	hold(keepStrings(s, b, n))
	hold(keepSlices(n, b))
	keepMaps(m, s, n)
	keepChannels(n, c)
	keepBarriers(p)
	keepNumbers(n, v)
	keepDefers(n)
	hold(keepTypes())
}

// kept has pointers, and is too large for the short ways of maps.
type kept struct {
	a, b, c, d, e, f, g, h *kept
	rest                   [2048]byte
}

// keptInterface has a method of which the compiler can't know the type that implements it.
type keptInterface interface{ keptMethod() }

func keepInterfaces(v any) {
	hold(v.(keptInterface))
	if i, ok := v.(keptInterface); ok {
		i.keptMethod()
		print(i) // printiface
	}
	switch v := v.(type) { // typeAssert, interfaceSwitch
	case keptInterface:
		hold(v)
	case error:
		hold(v.Error())
	}
	print(v)                             // printeface
	hold(keepAsserted[keptInterface](v)) // assertE2I
	i, _ := keepTested[keptInterface](v) // assertE2I2
	hold(i)
}

// keepAsserted and keepTested don't know when they are compiled that T is an interface.
//
//go:noinline
func keepAsserted[T any](v any) T { return v.(T) }

//go:noinline
func keepTested[T any](v any) (T, bool) {
	t, ok := v.(T)
	return t, ok
}

func keepStrings(s string, b []byte, n int) (all []any) {
	all = append(all, len([]rune(s)), []rune(s), string([]rune(s)), string(rune(n))) // countrunes, …
	for i, r := range s {                                                            // decoderune
		all = append(all, i, r)
	}
	for _, c := range []byte(s) { // no copy
		all = append(all, c)
	}
	if string(b) == s { // slicebytetostringtmp
		all = append(all, string(b), []byte(s))
	}
	t := s
	all = append(all, s+t, s+t+s, s+t+s+t, s+t+s+t+s, s+t+s+t+s+t)                                         // concatstrings
	all = append(all, []byte(s+t), []byte(s+t+s), []byte(s+t+s+t), []byte(s+t+s+t+s), []byte(s+t+s+t+s+t)) // concatbytes
	return append(all, min(s, string(b)), max(s, string(b)), s < string(b))
}

func keepSlices(n int, b []byte) (all []any) {
	hold(keepMoved(n, b))
	hold(keepMoved[*kept](n, nil))
	s, _ := keepGrown(n, b)
	p, _ := keepGrown[*kept](n, nil)
	all = append(all, s, p)
	pointers := make([]*kept, n)
	copy(pointers, append(pointers, make([]*kept, n)...))
	clear(pointers)
	all = append(all, pointers, (*[4]byte)(b), [4]byte(b), b[n:], b[:n], b[n:n+1], b[n:n+1:n+2], b[n:n+1:n])
	return append(all, unsafe.Slice(&b[0], n), unsafe.String(&b[0], n))
}

// keepMoved appends to a slice that is on the stack until the function returns it.
func keepMoved[T any](n int, from []T) []T {
	var s []T
	for i := range n {
		s = append(s, from[i])
	}
	return s
}

// keepGrown also uses the capacity.
func keepGrown[T any](n int, from []T) ([]T, int) {
	var s []T
	for i := range n {
		s = append(s, from[i])
	}
	return s, cap(s)
}

func keepMaps(m map[string]kept, s string, n int) {
	hold(m[s]) // mapaccess1_fat
	v, ok := m[s]
	hold(v)
	hold(ok)
	m[s] = v
	delete(m, s)
	for k, v := range m {
		hold(k)
		hold(v)
	}
	clear(m)
	keepMap[uint32](n)
	keepMap[uint64](n)
	keepMap[string](n)
	keepMap[*kept](n)
	keepMap[[3]int32](n)
	keepMap[[0]int](n)   // memhash0
	keepMap[byte](n)     // memhash8
	keepMap[int16](n)    // memhash16
	keepMap[[16]byte](n) // memhash128
	keepMap[[7]byte](n)  // memhash_varlen
	keepMap[any](n)
	keepMap[error](n)
	keepMap[float32](n)
	keepMap[float64](n)
	keepMap[complex64](n)
	keepMap[complex128](n)
	keepMap[keptKey](n)
}

// keptKey is compared and hashed field by field.
type keptKey struct {
	s string
	f float64
	i any
	e error
	b [300]byte
}

// keptMap has more entries than are set by straight code, and no reference: the linker leaves out what fills it, for which it
// needs runtime.mapinitnoop.
var keptMap = map[string]int{
	"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9, "j": 10, "k": 11, "l": 12, "m": 13, "n": 14,
	"o": 15, "p": 16, "q": 17, "r": 18, "s": 19, "t": 20, "u": 21, "v": 22, "w": 23, "x": 24, "y": 25, "z": 26, "": 0,
}

func keepMap[K comparable](n int) {
	small := map[K]int{} // makemap_small
	m := make(map[K]*kept, n)
	var k K
	small[k]++
	m[k] = nil
	hold(small[k])
	if v, ok := m[k]; ok {
		hold(v)
	}
	delete(m, k)
	for k := range m {
		hold(k)
	}
	clear(m)
	hold(m)
	var a, b K
	hold(a == b)
}

func keepChannels(n int, c chan kept) {
	var v kept
	c <- v
	hold(<-c)
	v, ok := <-c
	hold(ok)
	hold(make(chan int, n))
	hold(len(c) + cap(c))
	select { // selectnbsend
	case c <- v:
	default:
	}
	select { // selectnbrecv
	case v, ok = <-c:
		hold(v)
	default:
	}
	other := make(chan int)
	select { // selectgo
	case i := <-other:
		hold(i)
	case c <- v:
	}
	close(c)
	go keepChannels(n, c)
	select {} // block
}

// keepBarriers writes one to eight pointers at a time: a write of nil notes the old one, any other both.
func keepBarriers(p *kept) {
	q := p.h
	p.a = nil
	hold(p)
	p.a = q
	hold(p)
	p.a, p.b = q, nil
	hold(p)
	p.a, p.b = q, q
	hold(p)
	p.a, p.b, p.c = q, q, nil
	hold(p)
	p.a, p.b, p.c = q, q, q
	hold(p)
	p.a, p.b, p.c, p.d = q, q, q, nil
	hold(p)
	p.a, p.b, p.c, p.d = q, q, q, q
	hold(p)
	*p = *q // wbMove
	hold(p)
	*p = kept{} // wbZero
	hold(p)
	hold(new(kept))
	hold(*p == *q)
}

func keepNumbers(n int, v any) {
	f := float64(n)
	c := complex(f, f)
	hold(c / complex(f, 1)) // complex128div
	hold(min(f, float64(n+1)))
	hold(min(float32(f), float32(n+1)))
	hold(uint64(f) + uint64(float32(f)))
	hold(100 / n)
	quotient, _ := bits.Div(uint(n), 1, uint(n)) // panicoverflow
	hold(quotient)
	hold(1 << n)
	hold(v == any(n))
	var e, o error
	hold(e == o)
	print(n, f, c, uint(n), n == 1, "s", &n, "\n")
	println(uintptr(n), int64(n), complex64(c), float32(f), []byte(nil))
	panic(v)
}

func keepDefers(n int) {
	for range n {
		defer hold(n) // deferproc
	}
	defer func() { hold(recover()) }()
	keptSequence(n)(func(i int) bool {
		defer hold(i)
		return true
	})
	for i := range keptSequence(n) { // deferrangefunc, deferprocat, panicrangestate
		defer hold(i)
		if i == 3 {
			return
		}
	}
	go hold(n)
}

func keptSequence(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// keepTypes names the types that only the runtime describes: predeclared ones, pointers to them, slices of them, and pointers to those.
func keepTypes() []any {
	return slices.Concat(keepType[bool](), keepType[int](), keepType[int8](), keepType[int16](), keepType[int32](), keepType[int64](),
		keepType[uint](), keepType[uint8](), keepType[uint16](), keepType[uint32](), keepType[uint64](), keepType[uintptr](),
		keepType[float32](), keepType[float64](), keepType[complex64](), keepType[complex128](), keepType[string](),
		keepType[unsafe.Pointer](), keepType[error](), keepType[any](), []any{(*func(error) string)(nil)})
}

func keepType[T any]() []any { return []any{(*T)(nil), (*[]T)(nil)} }
