package state

import (
	"io"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/sohost/sohost/abi"
)

// A stream is one CBOR item:
//
//	55799([magic, format, schema, version, nodes, checksum, [_ value, object 1, object 2, …], checksum])
//
// The checksums are CRC-32C of all bytes before them. A value is written by its shape: a struct as an array of its fields'
// values, a map as pairs, a closed type as bytes. Whatever a pointer, slice or map refers to is an object. Objects aren't
// nested: the reference is written as [n] for the next object, which has n elements, as the number of an earlier object,
// counted from 1, or as null; the content of the object follows after that of all earlier objects. So sharing and cycles
// are kept, and neither writing nor reading a long list needs a deep stack. An interface is [node, value], or null; node is
// a number or an array of new nodes.
//
// Strings that are values are numbered as well, counted from 1, if they have sharedText bytes or more: one that is the same
// memory as an earlier one is written as that one's number. In format 1, which is still read, each string is written anew.
// Elements that are numbers may be packed, see packed.go, but not in formats 1 and 2.
const (
	magic        = "sohost state"
	format       = 3
	packedFormat = 3
	firstFormat  = 1
)

// sharedText is the least length of strings that are written once, in bytes. To remember a shorter one would take about as much
// memory as the string.
const sharedText = 64

// encoder holds, besides a buffer, only what identifies objects and the list of those still to be written.
type encoder struct {
	*writer
	shaper  shaper
	root    *shape
	numbers map[*shape]int
	codecs  map[*shape]*codec
	dynamic map[reflect.Type]*shape // of the values in interfaces; a nil shape can't be written
	origins []foundIn               // where those shapes were first found
	texts   addresses               // of the strings written so far
	memory  int64                   // what Decode may still allocate
	objects int                     // how many have numbers
	kinds   map[*shape]*addresses   // of objects: those of different types are different ones even at the same address
	types   map[reflect.Type]*addresses
	queue   queue
	extents extents
	touched byte // so that what touch reads is read
	depth   int
}

// Encode is EncodeWithin the limits that Decode has by default.
func Encode(w io.Writer, s abi.State) error { return EncodeWithin(w, s, DecodeOptions{}) }

// EncodeWithin writes s to w in pieces of 64 KiB. Besides such a piece it holds some tens of bytes for each pointer, slice, map
// and long string in the value, but no copy of the value. After an error the written part is useless, and Decode refuses it.
//
// The error is ErrLimit if Decode could not read the stream with the options o into a value of the same type: the encoder
// counts what the decoder will count.
func EncodeWithin(w io.Writer, s abi.State, o DecodeOptions) error {
	_, err := EncodeCounted(w, s, o)
	return err
}

// EncodeCounted is EncodeWithin, and returns the bytes that it has counted.
func EncodeCounted(w io.Writer, s abi.State, o DecodeOptions) (counted int64, err error) {
	o = o.withDefaults()
	e := &encoder{memory: o.MaxMemory}
	err = e.encode(&capped{w, o.MaxBytes}, s)
	if e.writer != nil {
		e.free()
	}
	return o.MaxMemory - e.memory, err
}

func (e *encoder) encode(w io.Writer, s abi.State) error {
	t := reflect.TypeOf(s.Value)
	if err := Encodable(t); err != nil {
		return err
	}
	*e = encoder{
		memory: e.memory,
		writer: newWriter(w), shaper: shaper{}, numbers: map[*shape]int{}, codecs: map[*shape]*codec{},
		dynamic: map[reflect.Type]*shape{}, kinds: map[*shape]*addresses{}, types: map[reflect.Type]*addresses{},
	}
	e.head(majorTag, selfDescribed)
	e.head(majorArray, 8)
	e.name(magic)
	e.uint(format)
	e.name(s.Schema)
	e.int(int64(s.Version))
	if t != nil {
		e.root = e.shaper.of(t)
		e.extents.on = risky(e.root)
		e.describe(e.root)
	} else {
		e.head(majorArray, 0)
	}
	if err := e.sum(); err != nil {
		return err
	}
	e.one(majorArray<<5 | indefinite)
	if t != nil {
		e.values(s.Value)
	}
	e.one(majorSimple<<5 | indefinite)
	return e.sum()
}

func (e *encoder) values(value any) {
	defer runtime.KeepAlive(value) // addresses and extents are numbers
	e.charge(1, int64(e.root.typ.Size()))
	e.inline(e.root, box(reflect.ValueOf(value)))
	for o, ok := e.queue.pop(); ok && e.err == nil; o, ok = e.queue.pop() {
		e.content(o)
	}
	if e.err != nil {
		return
	}
	if inner, outer, ok := e.extents.clash(new(clock)); ok {
		e.fail(inner.(*shape), "refers to memory that %s refers to as well, wholly or in part", e.pathOf(outer.(*shape)))
	}
}

func (e *encoder) inline(s *shape, p unsafe.Pointer) {
	switch s.kind {
	case reflect.Bool:
		e.bool(*(*bool)(p))
	case reflect.String:
		e.shared(*(*string)(p))
	case reflect.Pointer:
		e.object(s, *(*unsafe.Pointer)(p), 1)
	case reflect.Slice:
		h := (*sliceHeader)(p)
		e.object(s, h.data, h.len)
	case reflect.Map:
		n := 0
		if m := *(*unsafe.Pointer)(p); m != nil {
			n = s.mapLen(m)
		}
		e.object(s, *(*unsafe.Pointer)(p), n)
	case reflect.Array:
		e.sequence(s.elem, p, s.len)
	case reflect.Struct:
		e.head(majorArray, uint64(len(s.fields)))
		for i := range s.fields {
			e.inline(s.fields[i].shape, unsafe.Add(p, s.fields[i].offset))
		}
	case reflect.Interface:
		e.interfaceValue(s, p)
	case lockKind:
		e.null()
	case stdKind:
		e.std(s, p)
	default:
		e.number(s.kind, p)
	}
}

func (e *encoder) number(k reflect.Kind, p unsafe.Pointer) {
	switch numbers[k].class {
	case 'i':
		e.int(loadInt(k, p))
	case 'u':
		e.uint(loadUint(k, p))
	case 'f':
		if k == reflect.Float32 {
			e.float32(*(*float32)(p))
		} else {
			e.float(*(*float64)(p))
		}
	case 'c':
		c := loadComplex(k, p)
		e.head(majorArray, 2)
		e.float(real(c))
		e.float(imag(c))
	}
}

// object writes a reference to an object. If it is the first reference, the content is queued for later.
func (e *encoder) object(s *shape, p unsafe.Pointer, n int) {
	if p == nil {
		e.null()
		return
	}
	at := span{uintptr(p), -1}
	if s.kind == reflect.Slice {
		at.n = n
	}
	number, met := e.placesOf(s).number(at, uint64(e.objects)+1)
	if met {
		e.uint(number)
		return
	}
	e.objects++
	if s.kind != reflect.Map {
		e.extents.add(p, uintptr(n)*s.elem.typ.Size(), s.kind == reflect.Slice, s)
	}
	e.charge(1, int64(unsafe.Sizeof(decoded{})))
	if s.kind == reflect.Map {
		e.charge(1, mapHead+s.mapMemory(n))
	} else {
		e.charge(int64(n), int64(s.elem.typ.Size()))
	}
	e.queue.push(pending{s, p, n})
	e.head(majorArray, 1)
	e.uint(uint64(n))
}

// placesOf returns the numbers of the objects that a shape leads to.
func (e *encoder) placesOf(s *shape) *addresses {
	places := e.kinds[s]
	if places == nil {
		if places = e.types[s.object]; places == nil {
			places = &addresses{}
			e.types[s.object] = places
		}
		e.kinds[s] = places
	}
	return places
}

func (e *encoder) content(o pending) {
	s := o.shape
	switch {
	case s.kind == reflect.Pointer:
		e.inline(s.elem, o.p)
	case s.kind == reflect.Map:
		e.head(majorMap, uint64(o.n))
		if e.entries(s, o.p, o.n) != o.n && e.err == nil { // no reader would take it
			e.fail(s, "it was changed while it was written")
		}
	case s.elem.kind == reflect.Uint8:
		e.bytes(unsafe.Slice((*byte)(o.p), o.n))
	default:
		e.sequence(s.elem, o.p, o.n)
	}
}

func (e *encoder) std(s *shape, p unsafe.Pointer) {
	c := e.codecs[s]
	if c == nil {
		c = codecOf(s.typ)
		e.codecs[s] = c
	}
	b, err := c.marshal(p)
	if err != nil {
		e.fail(s, "%v", err)
	}
	e.charge(int64(len(b)), 1)
	e.bytes(b)
}
