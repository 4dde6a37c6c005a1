package state

import (
	"errors"
	"math/bits"
	"reflect"
	"unsafe"
)

// claims finds out whether what goes ahead is a tree: each object in it is claimed once. Two slices that share a part of an array are
// two objects, as everywhere.
type claims map[claimed]*marks

// claimed identifies objects that may be the same.
type claimed struct {
	kind   reflect.Kind
	object reflect.Type
}

func (c claims) of(s *shape) *marks {
	at := claimed{s.kind, s.object}
	if c[at] == nil {
		align := wordSize // of a map
		if s.kind != reflect.Map {
			align = min(s.elem.typ.Align(), wordSize)
		}
		c[at] = &marks{shift: bits.TrailingZeros(uint(align))}
	}
	return c[at]
}

// end ends all claims.
func (c claims) end() {
	for _, m := range c {
		m.clear()
	}
}

// errShared says that something is referred to twice, so that it would become two things.
var errShared = errors.New("two places refer to the same")

// errLarge says that what an entry refers to can't be copied in a moment.
var errLarge = errors.New("what one entry refers to is too large")

// mostOwned is how many bytes what an entry refers to may take.
const mostOwned = 1 << 20

// objectBytes is for how many bytes an object counts besides its own: to allocate it takes as long as to copy them.
const objectBytes = 64

// claim claims all that the value at p refers to. It takes the bytes that this takes from left. The error is errShared or errLarge.
func (d *deep) claim(p unsafe.Pointer, left *int) error {
	for i := range d.refs {
		r := &d.refs[i]
		to, n := r.leadsTo(unsafe.Add(p, r.at))
		if to == nil {
			continue
		}
		if (r.shape.kind == reflect.Map || n > 0 && r.target.size > 0) && r.marks.mark(uintptr(to)) {
			return errShared
		}
		size := int(r.target.size)
		if r.shape.kind == reflect.Map {
			size += int(r.shape.key.typ.Size()) + objectBytes
		}
		if hi, lo := bits.Mul(uint(n), uint(size)); hi > 0 || int(lo) < 0 || int(lo)+objectBytes > *left {
			return errLarge
		}
		*left -= n*size + objectBytes
		if len(r.target.refs) > 0 {
			if err := r.claim(to, n, left); err != nil {
				return err
			}
		}
	}
	return nil
}

// claim claims all that n values at p refer to.
func (r *ref) claim(p unsafe.Pointer, n int, left *int) error {
	if r.shape.kind != reflect.Map {
		for i := range uintptr(n) {
			if err := r.target.claim(unsafe.Add(p, i*r.target.size), left); err != nil {
				return err
			}
		}
		return nil
	}
	for w := r.shape.walk(p); ; {
		_, elem, ok := w.next()
		if !ok {
			return nil
		}
		if err := r.target.claim(elem, left); err != nil {
			return err
		}
	}
}

// marks is a set of addresses: a bit for each in a part of the memory, so that many fit into the processor's caches.
type marks struct {
	shift int // an address is a multiple of 1<<shift
	pages addresses
	bits  [][]uint64 // of the pages, by their numbers less 1
	last  uintptr    // the page that was used last
	at    []uint64   // its bits
}

const markedPage = 16 // a page has 1<<markedPage bytes

// mark adds an address, and reports whether it was there.
func (m *marks) mark(p uintptr) bool {
	if page := p >> markedPage; page != m.last || m.at == nil {
		number, met := m.pages.number(span{page, 0}, uint64(len(m.bits))+1)
		if !met {
			m.bits = append(m.bits, make([]uint64, max(1<<markedPage>>m.shift>>6, 1)))
		}
		m.last, m.at = page, m.bits[number-1]
	}
	i := p & (1<<markedPage - 1) >> m.shift
	word, bit := &m.at[i>>6], uint64(1)<<(i&63)
	was := *word&bit != 0
	*word |= bit
	return was
}

func (m *marks) clear() {
	for _, page := range m.bits {
		clear(page)
	}
}
