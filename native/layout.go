package native

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// A Fault is something in a plugin's headers that the dynamic loader would believe although it can't be true. It doesn't check: it
// would write beyond the image, wait without an end or end the process.
type Fault struct {
	Rule  string `json:"rule"`  // what the fault is in, such as "segment sizes"
	Want  string `json:"want"`  // what holds of images that a linker makes
	Found string `json:"found"` // what there is instead
}

// A rule is one thing that has to hold before the dynamic loader may see an image. found describes the first violation, or is empty.
type rule struct {
	name, want string
	found      func(*layout) string
}

// stages are the rules, in the order in which they rely on each other: a stage is looked at only if the one before has found nothing.
// TestRules violates each.
var stages = [][]rule{segmentRules, dynamicRules, tableRules, entryRules, runtimeRules, codeRules}

// layout is a plugin as the dynamic loader sees it: what the program headers and the dynamic segment say.
type layout struct {
	f     *elfFile
	order binary.ByteOrder
	loads []*elf.Prog

	dynamic []elf.Dyn64 // without the final null
	strings names
	symbols []byte // entries of elf.Sym64Size bytes
	arch    relocationTypes
}

func newLayout(f *elfFile) *layout {
	l := &layout{f: f, order: f.ByteOrder, arch: relocationsOf[f.Machine]}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			l.loads = append(l.loads, p)
		}
	}
	return l
}

// faults returns what stands against showing a plugin to the dynamic loader.
func (f *elfFile) faults() (faults []Fault) {
	l := newLayout(f)
	for _, rules := range stages {
		for _, r := range rules {
			if found := r.found(l); found != "" {
				faults = append(faults, Fault{r.name, r.want, found})
			}
		}
		if len(faults) > 0 {
			return faults
		}
	}
	return nil
}

// The smallest page of the architectures, and the largest image, in bytes of address space.
const (
	pageSize = 4096
	maxSpan  = 64 << 30
	maxAlign = 1 << 30
)

func pageDown(a uint64) uint64 { return a &^ (pageSize - 1) }
func pageUp(a uint64) uint64   { return pageDown(a + pageSize - 1) }

// load returns the segment that n bytes at an address are in, once it is mapped, or nil.
func (l *layout) load(addr, n uint64) *elf.Prog {
	for _, p := range l.loads {
		if addr >= p.Vaddr && fits(addr-p.Vaddr, n, int64(p.Memsz)) {
			return p
		}
	}
	return nil
}

// writable reports whether n bytes at an address are writable, once mapped.
func (l *layout) writable(addr, n uint64) bool {
	p := l.load(addr, n)
	return p != nil && p.Flags&elf.PF_W != 0
}

// code reports whether an address is in executable code.
func (l *layout) code(addr uint64) bool {
	p := l.load(addr, 1)
	return p != nil && p.Flags&elf.PF_X != 0
}

// constant returns n bytes that the file has for an address and that nothing writes to once they are mapped, or nil.
func (l *layout) constant(addr, n uint64) []byte {
	if n > maxTable || l.load(addr, n) == nil || l.writable(addr, n) {
		return nil
	}
	return l.f.at(addr, int(n))
}

// only returns the one segment of a type, or nil. At most one has been found.
func (l *layout) only(t elf.ProgType) *elf.Prog {
	for _, p := range l.f.Progs {
		if p.Type == t {
			return p
		}
	}
	return nil
}

// value returns the value of a dynamic entry.
func (l *layout) value(tag elf.DynTag) (v uint64, ok bool) {
	i := slices.IndexFunc(l.dynamic, func(d elf.Dyn64) bool { return d.Tag == int64(tag) })
	if i < 0 {
		return 0, false
	}
	return l.dynamic[i].Val, true
}

// each calls fn for the value of each dynamic entry with one of the tags, until it returns a description.
func (l *layout) each(fn func(tag elf.DynTag, v uint64) string, tags ...elf.DynTag) string {
	for _, d := range l.dynamic {
		if tag := elf.DynTag(d.Tag); slices.Contains(tags, tag) {
			if found := fn(tag, d.Val); found != "" {
				return found
			}
		}
	}
	return ""
}

func powerOfTwo(n uint64) bool { return bits.OnesCount64(n) == 1 }

// span describes a range of addresses.
func span(addr, n uint64) string { return fmt.Sprintf("%#x and %d bytes", addr, n) }
