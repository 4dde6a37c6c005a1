package state

import "math/bits"

// addresses numbers places in memory. It is a table with open addressing, because a Go map takes several times as long to say that a
// place is new, which most are. Like memo it holds addresses as numbers. The zero value is empty.
type addresses struct {
	slots []numbered // a power of two of them, at least a quarter free
	used  int
}

type numbered struct {
	span
	number uint64 // 0: the slot is free
}

// number returns the number of a place, and reports whether it had one. If not, it gets the one that is offered, which isn't 0.
func (a *addresses) number(at span, offered uint64) (number uint64, met bool) {
	if 4*(a.used+1) > 3*len(a.slots) {
		a.grow()
	}
	s := a.slot(at)
	if s.number != 0 {
		return s.number, true
	}
	*s = numbered{at, offered}
	a.used++
	return offered, false
}

// slot returns the slot that has the place, or the free one that is for it.
func (a *addresses) slot(at span) *numbered {
	mask := len(a.slots) - 1
	for i := at.hash() & mask; ; i = (i + 1) & mask {
		if s := &a.slots[i]; s.number == 0 || s.span == at {
			return s
		}
	}
}

// places numbers places in memory as addresses does, in many tables: while callers wait, none takes long to grow.
type places [256]addresses

func (p *places) number(at uintptr, offered uint64) (number uint64, met bool) {
	s := span{at, 0}
	return p[uint64(s.hash())>>56].number(s, offered)
}

// touch reads where a place is first looked for.
func (a *addresses) touch(at span) byte {
	if len(a.slots) == 0 {
		return 0
	}
	return byte(a.slots[at.hash()&(len(a.slots)-1)].number)
}

func (a *addresses) grow() {
	old := a.slots
	a.slots = make([]numbered, max(64, 2*len(old)))
	for _, s := range old {
		if s.number != 0 {
			*a.slot(s.span) = s
		}
	}
}

// hash mixes all bits into the lower ones. Addresses differ in the middle, and often by multiples of the same number.
func (s span) hash() int {
	hi, lo := bits.Mul64(uint64(s.p)^bits.RotateLeft64(uint64(s.n), 48), 0x9e3779b97f4a7c15)
	return int(hi ^ lo)
}
