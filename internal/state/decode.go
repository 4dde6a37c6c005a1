package state

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/sohost/sohost/abi"
)

// DecodeOptions bound what a stream may cost.
type DecodeOptions struct {
	// MaxBytes is the length that the stream may have. Default: 4 GiB.
	MaxBytes int64

	// MaxMemory is about the memory that the decoded value may take. Default: 16 GiB.
	MaxMemory int64
}

func (o DecodeOptions) withDefaults() DecodeOptions {
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 16 << 30
	}
	return o
}

type decoder struct {
	reader
	shapes  []*shape
	depths  map[*shape]int
	shaper  shaper
	fitter  fitter
	root    *op
	live    map[liveKey]*op // what is done with objects of a shape
	dynamic map[*shape]*op
	codecs  map[*shape]*codec
	objects []decoded
	later   []deref
	maps    []unfilled
	entries int64
	depth   int
}

// decoded is an object of the stream. Its op is nil if nothing refers to it but fields that were removed.
type decoded struct {
	op    *op
	shape *shape
	p     unsafe.Pointer
	n     int
}

// liveKey is what shapes that lead to the same objects have in common.
type liveKey struct {
	kind      reflect.Kind
	key, elem *shape
}

// Decode reads what Encode wrote, up to the end of r, into a value of type to, by the rules of a conversion. With a nil to it
// makes the type that the stream was written from, if that is one which interfaces may hold. On error there is no value:
// ErrCorrupt means that the stream is damaged, ErrRefused that it doesn't fit the type, ErrLimit that it is too large.
func Decode(r io.Reader, to reflect.Type, o DecodeOptions) (abi.State, Report, error) {
	start := time.Now()
	o = o.withDefaults()
	d := &decoder{
		reader: reader{r: r, buf: make([]byte, 64<<10), left: o.MaxBytes, memory: o.MaxMemory},
		shaper: shaper{}, fitter: fitter{}, live: map[liveKey]*op{}, dynamic: map[*shape]*op{}, codecs: map[*shape]*codec{}, depths: map[*shape]int{},
	}
	s, report := d.state(to), Report{Way: ByConversion}
	if d.err != nil {
		if d.root != nil && errors.Is(d.err, ErrRefused) && !d.intact() {
			d.err = fmt.Errorf("%w: %v", ErrCorrupt, d.err) // what it refused was never written
		}
		return abi.State{}, report, d.err
	}
	if d.root != nil {
		report.Changes, _ = d.root.changes()
	}
	report.Entries, report.Bytes, report.Elapsed = d.entries, o.MaxMemory-d.memory, time.Since(start)
	return s, report, nil
}

func (d *decoder) state(to reflect.Type) (s abi.State) {
	if tag := d.expect(majorTag); d.err == nil && tag != selfDescribed {
		d.corrupt("tag %d", tag)
	}
	d.array(8)
	if m := d.str(); d.err == nil && string(m) != magic {
		d.corrupt("not a state")
	}
	if f := d.uint(); d.err == nil && f != format {
		d.corrupt("format %d, want %d", f, format)
	}
	s.Schema = string(d.str())
	s.Version = int(d.int())
	d.nodes()
	d.sum()
	if d.err == nil && len(d.shapes) > 0 {
		d.prepare(to)
	}
	if b, info, _ := d.head(); d.err == nil && (b != majorArray || info != indefinite) {
		d.corrupt("no list of values")
	}
	if d.root != nil && d.err == nil {
		s.Value = d.values()
	}
	if b, info, _ := d.head(); d.err == nil && (b != majorSimple || info != indefinite) {
		d.corrupt("values left over")
	}
	d.sum()
	d.ended()
	return s
}

// ended refuses bytes after the last one.
func (d *decoder) ended() {
	if d.err != nil {
		return
	}
	n := d.end - d.pos
	for tries := 0; n == 0 && tries < 100; tries++ {
		k, err := d.r.Read(d.buf[:1])
		n += k
		if err == io.EOF {
			break
		}
		if err != nil {
			d.fail(fmt.Errorf("read state: %w", err))
			return
		}
	}
	if n != 0 {
		d.corrupt("it goes on after its end")
	}
}

// prepare finds the steps to the type, once the checksum has told that the shapes are as they were written.
func (d *decoder) prepare(to reflect.Type) {
	if to == nil {
		if to = typeOf(d.shapes[0], mostNested); to == nil {
			d.refuse(nil, Reason{root, "of type " + d.shapes[0].name + ", which only the plugin knows"})
			return
		}
	}
	d.root = d.steps(d.shapes[0], to)
}

// steps are from a shape of the stream to a type.
func (d *decoder) steps(s *shape, to reflect.Type) *op {
	o := d.fitter.fit(s, d.shaper.of(to), false)
	_, reasons := o.changes()
	o.follow(root, func(o *op, path string) {
		switch o.code {
		case opStd:
			if codecOf(o.to.typ) == nil {
				reasons = append(reasons, Reason{path, o.to.name + " can't be decoded"})
			}
		case opPointer, opSlice, opMap, opDeref:
			at := liveKey{o.from.kind, o.from.key, o.from.elem}
			if d.live[at] == nil && o.code != opDeref {
				d.live[at] = o
			}
		}
	})
	if len(reasons) > 0 {
		d.refuse(to, reasons...)
		return nil
	}
	return o
}

func (d *decoder) refuse(to reflect.Type, reasons ...Reason) {
	d.fail(&Refusal{To: to, Reasons: reasons})
}

func (d *decoder) values() any {
	t := d.root.to.typ
	if !d.charge(1, int64(t.Size())) {
		return nil
	}
	dst := reflect.New(t)
	d.inline(d.root, dst.UnsafePointer())
	for i := 0; i < len(d.objects) && d.err == nil; i++ {
		d.content(d.objects[i])
	}
	d.settle()
	return dst.Elem().Interface()
}

// inline reads a value into dst, which is zero.
func (d *decoder) inline(o *op, dst unsafe.Pointer) {
	if d.err != nil {
		return
	}
	switch o.code {
	case opBool:
		*(*bool)(dst) = d.bool()
	case opNumber:
		d.number(o.from.kind, o.to.kind, dst)
	case opString:
		*(*string)(dst) = d.string()
	case opStd:
		d.std(o.to, dst)
	case opLock:
		if !d.null() {
			d.corrupt("no lock")
		}
	case opPointer, opMap:
		if x := d.object(o, o.from); x != nil {
			*(*unsafe.Pointer)(dst) = x.p
		}
	case opSlice:
		if x := d.object(o, o.from); x != nil {
			*(*sliceHeader)(dst) = sliceHeader{x.p, x.n, x.n}
		}
	case opAddress:
		p := d.alloc(o.elem.to.typ, 1)
		d.inline(o.elem, p)
		*(*unsafe.Pointer)(dst) = p
	case opDeref:
		d.deref(o, dst)
	case opArray:
		d.array(o.from.len)
		for i := uintptr(0); i < uintptr(o.from.len) && d.err == nil; i++ {
			d.inline(o.elem, unsafe.Add(dst, i*o.elem.to.typ.Size()))
		}
	case opStruct:
		d.structure(o, dst)
	case opInterface:
		d.interfaceValue(o, dst)
	default:
		d.corrupt("value of %s", o.from.name)
	}
}

func (d *decoder) string() string {
	// A short string is there as a whole: no copy of the copy.
	if d.need(1) && d.buf[d.pos]>>5 == majorText && d.buf[d.pos]&31 < 24 {
		n := int(d.buf[d.pos] & 31)
		if !d.need(1+n) || !d.charge(1, int64(n)) {
			return ""
		}
		d.pos += 1 + n
		return string(d.buf[d.pos-n : d.pos])
	}
	b := d.str()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (d *decoder) number(from, to reflect.Kind, dst unsafe.Pointer) {
	a, b := numbers[from], numbers[to]
	switch a.class {
	case 'i':
		x := d.int()
		if bits := a.bits; bits < 64 && (x < -1<<(bits-1) || x >= 1<<(bits-1)) {
			d.corrupt("%d for an %v", x, from)
		}
		if b.class == 'f' {
			storeFloat(to, dst, float64(x))
		} else {
			storeBits(to, dst, uint64(x))
		}
	case 'u':
		x := d.uint()
		if a.bits < 64 && x > math.MaxUint64>>(64-a.bits) {
			d.corrupt("%d for a %v", x, from)
		}
		if b.class == 'f' {
			storeFloat(to, dst, float64(x))
		} else {
			storeBits(to, dst, x)
		}
	case 'f':
		storeFloat(to, dst, d.float())
	case 'c':
		d.array(2)
		re := d.float()
		storeComplex(to, dst, complex(re, d.float()))
	}
}

func (d *decoder) std(s *shape, dst unsafe.Pointer) {
	b := d.str()
	if d.err != nil {
		return
	}
	c := d.codecs[s]
	if c == nil {
		c = codecOf(s.typ)
		d.codecs[s] = c
	}
	if err := c.unmarshal(dst, b); err != nil {
		d.corrupt("%s: %v", s.name, err)
	}
}

// structure reads the fields in the order of the stream; op's are in that of the receiver.
func (d *decoder) structure(o *op, dst unsafe.Pointer) {
	if o.byField == nil {
		o.byField = make([]*fieldOp, len(o.from.fields))
		for i := range o.fields {
			o.byField[o.fields[i].index] = &o.fields[i]
		}
	}
	d.array(len(o.from.fields))
	for i, f := range o.byField {
		if d.err != nil {
			return
		}
		if f == nil {
			d.skip(o.from.fields[i].shape)
		} else {
			d.inline(f.op, unsafe.Add(dst, f.dst))
		}
	}
}

func (d *decoder) interfaceValue(o *op, dst unsafe.Pointer) {
	if d.null() {
		return
	}
	inner := d.dynamicOp(d.dynamicShape())
	if d.err != nil {
		return
	}
	t := inner.to.typ
	if !t.Implements(o.to.typ) {
		path, _ := d.root.find(o)
		d.refuse(nil, Reason{path, fmt.Sprintf("%v doesn't implement %s", t, o.to.name)})
		return
	}
	if d.depth++; d.depth > tooDeep {
		d.corrupt("interfaces nested deeper than %d", tooDeep)
		return
	}
	p := d.alloc(t, 1)
	d.inline(inner, p)
	d.depth--
	if d.err == nil {
		reflect.NewAt(o.to.typ, dst).Elem().Set(reflect.NewAt(t, p).Elem())
	}
}

// dynamicShape reads the first half of an interface's value.
func (d *decoder) dynamicShape() *shape {
	d.array(2)
	if !d.need(1) {
		return nil
	}
	if d.buf[d.pos]>>5 != majorArray {
		return d.shape()
	}
	first := len(d.shapes)
	d.nodes()
	if d.err == nil && first == len(d.shapes) {
		d.corrupt("no type")
	}
	if d.err != nil {
		return nil
	}
	return d.shapes[first]
}

func (d *decoder) dynamicOp(s *shape) *op {
	if d.err != nil {
		return nil
	}
	if o := d.dynamic[s]; o != nil {
		return o
	}
	t := typeOf(s, mostNested)
	if t == nil {
		d.corrupt("interface of type %q", s.name)
		return nil
	}
	o := d.steps(s, t)
	d.dynamic[s] = o
	return o
}

func (d *decoder) alloc(t reflect.Type, n int) unsafe.Pointer {
	if !d.charge(int64(n), int64(t.Size())) {
		n = 0
	}
	if n == 1 {
		return reflect.New(t).UnsafePointer()
	}
	return reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
}
