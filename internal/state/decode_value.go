package state

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

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
	d.fillLater()
	return dst.Elem().Interface()
}

// inline reads a value into dst, which must be zero.
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
		*(*string)(dst) = d.shared()
	case opStd:
		d.std(o.to, dst)
	case opLock:
		if !d.null() {
			d.corrupt("not a lock")
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
		d.sequence(o.elem, dst, o.from.len)
	case opStruct:
		d.structure(o, dst)
	case opInterface:
		d.interfaceValue(o, dst)
	default:
		d.corrupt("value of %s", o.from.name)
	}
}

func (d *decoder) string() string {
	major, info, n := d.head()
	if d.err == nil && (major != majorText && major != majorBytes || info == indefinite) {
		d.corrupt("not a string")
	}
	if n <= uint64(len(d.buf)) { // one copy is enough
		k := int(n)
		if !d.elements(n) || !d.charge(int64(n), 1) || !d.need(k) {
			return ""
		}
		d.pos += k
		return string(d.buf[d.pos-k : d.pos])
	}
	b := d.long(n)
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

// structure reads the fields in the order of the stream; o.fields are in the order of the receiver.
func (d *decoder) structure(o *op, dst unsafe.Pointer) {
	d.array(len(o.from.fields))
	for i, f := range o.fieldOps() {
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

// dynamicShape reads the type of an interface's value.
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
