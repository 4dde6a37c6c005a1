package state

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"
	"unsafe"

	"github.com/sohost/sohost/abi"
)

// DecodeOptions limits the length and memory of a stream.
type DecodeOptions struct {
	// MaxBytes is the maximum length of the stream. Default: 4 GiB.
	MaxBytes int64

	// MaxMemory approximately limits the memory of the decoded value, in bytes. Default: 16 GiB.
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
	live    map[liveKey]*op // the ops for objects of a shape
	dynamic map[*shape]*op
	codecs  map[*shape]*codec
	format  uint64
	texts   []string // the numbered strings
	objects []decoded
	later   []deref
	maps    []unfilled
	entries int64
	depth   int
}

// decoded is an object of the stream. Its op is nil if only removed fields refer to it.
type decoded struct {
	op    *op
	shape *shape
	p     unsafe.Pointer
	n     int
}

// liveKey identifies shapes that lead to the same objects.
type liveKey struct {
	kind      reflect.Kind
	key, elem *shape
}

// Decode reads what Encode wrote, up to the end of r, into a value of type to, by the rules of a conversion. If to is nil,
// the value gets the type that the stream was written from, which must be one that interfaces may hold. On error there is
// no value: ErrCorrupt means that the stream is damaged, ErrRefused that it doesn't fit the type or is in the format of a newer
// program, ErrLimit that it is too large. Decode blocks until r has delivered the stream.
func Decode(r io.Reader, to reflect.Type, o DecodeOptions) (abi.State, Report, error) {
	s, _, report, err := DecodePart(r, to, o)
	return s, report, err
}

// DecodePart is Decode, and also returns the value as one that lacks the fields which the stream doesn't have.
func DecodePart(r io.Reader, to reflect.Type, o DecodeOptions) (abi.State, Part, Report, error) {
	start := time.Now()
	o = o.withDefaults()
	d := &decoder{
		reader: newReader(r, o.MaxBytes, o.MaxMemory),
		shaper: shaper{}, fitter: fitter{}, live: map[liveKey]*op{}, dynamic: map[*shape]*op{}, codecs: map[*shape]*codec{},
		depths: map[*shape]int{},
	}
	s, report := d.state(to), Report{Way: ByConversion}
	err := d.verdict()
	d.free()
	if err != nil {
		return abi.State{}, Part{}, report, err
	}
	part := Whole(s.Value)
	if d.root != nil {
		report.Changes, _ = d.root.changes()
		report.Emptied = d.root.emptied()
		part.has = covers{}.of(d.root)
	}
	report.Entries, report.Bytes, report.Elapsed = d.entries, o.MaxMemory-d.memory, time.Since(start)
	return s, part, report, nil
}

// verdict returns the error. A value or a format that is refused must come from a whole stream: in another one it is damage, and was never
// written like this.
func (d *decoder) verdict() error {
	if (d.root != nil || d.format > format) && errors.Is(d.err, ErrRefused) && !d.intact() {
		return fmt.Errorf("%w: %v", ErrCorrupt, d.err)
	}
	return d.err
}

// ReadHeader reads the beginning of what Encode wrote. The result has Schema and Version but no Value. The error is
// ErrCorrupt if the stream is damaged, and ErrRefused if it says that it is in the format of a newer program.
func ReadHeader(r io.Reader) (abi.State, error) {
	d := &decoder{reader: newReader(r, 64<<10, 64<<10)}
	defer d.free()
	s := d.header()
	return s, d.err
}

func (d *decoder) state(to reflect.Type) (s abi.State) {
	s = d.header()
	d.nodes()
	d.sum()
	if d.err == nil && len(d.shapes) > 0 {
		d.prepare(to)
	}
	if b, info, _ := d.head(); d.err == nil && (b != majorArray || info != indefinite) {
		d.corrupt("list of values missing")
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

func (d *decoder) header() (s abi.State) {
	if tag := d.expect(majorTag); d.err == nil && tag != selfDescribed {
		d.corrupt("tag %d", tag)
	}
	d.array(8)
	if m := d.str(); d.err == nil && string(m) != magic {
		d.corrupt("not a state")
	}
	switch d.format = d.uint(); {
	case d.err != nil:
	case d.format < firstFormat:
		d.corrupt("format %d", d.format)
	case d.format > format:
		d.refuse(nil, Reason{root, fmt.Sprintf("is in format %d, which a newer program has written: this one reads formats up to %d", d.format, format)})
	}
	s.Schema = string(d.str())
	s.Version = int(d.int())
	return s
}

// ended fails if there are bytes after the end.
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
		d.corrupt("data after the end of the stream")
	}
}

// prepare finds the steps to the type. The checksum has shown that the shapes are as they were written.
func (d *decoder) prepare(to reflect.Type) {
	if to == nil {
		if to = typeOf(d.shapes[0], mostNested); to == nil {
			d.refuse(nil, Reason{root, "has type " + d.shapes[0].name + ", which only the plugin knows"})
			return
		}
	}
	d.root = d.steps(d.shapes[0], to)
}

// steps returns the steps from a shape of the stream to a type.
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
