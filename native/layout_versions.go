package native

import (
	"debug/elf"
	"fmt"
	"slices"
)

// versions walks the versions that symbols have. The loader ends the process if one is from a library that isn't needed.
func (l *layout) versions() string {
	versym, has := l.value(elf.DT_VERSYM)
	known := map[uint16]bool{0: true, 1: true} // local, and global without a version
	found := l.eachVersion(elf.DT_VERNEED, elf.DT_VERNEEDNUM, 16, l.need, known)
	if found == "" {
		found = l.eachVersion(elf.DT_VERDEF, elf.DT_VERDEFNUM, 20, l.define, known)
	}
	if found != "" || !has {
		return found
	}
	table := l.constant(versym, l.symbolCount()*2)
	if table == nil {
		return fmt.Sprintf("a table at %#x that is too short", versym)
	}
	for i := range l.symbolCount() {
		if v := l.order.Uint16(table[i*2:]); !known[v&0x7fff] {
			return fmt.Sprintf("version %d of symbol %d", v, i)
		}
	}
	return ""
}

// eachVersion calls fn for each entry of a list of versions. The last 4 bytes of an entry say how far on the next one is.
func (l *layout) eachVersion(list, count elf.DynTag, size uint64, fn func(at uint64, b []byte, known map[uint16]bool) string, known map[uint16]bool) string {
	at, has := l.value(list)
	n, hasN := l.value(count)
	if has != hasN || n > 1<<16 {
		return fmt.Sprintf("%v without a number", list)
	}
	for i := range n {
		b := l.constant(at, size)
		if b == nil {
			return fmt.Sprintf("%v beyond the end of the segment", list)
		}
		if found := fn(at, b, known); found != "" {
			return found
		}
		next := uint64(l.order.Uint32(b[size-4:]))
		if (next == 0) != (i == n-1) || next%4 != 0 {
			return fmt.Sprintf("%v of %d entries, not %d", list, i+1, n)
		}
		at += next
	}
	return ""
}

// need reads the versions that are needed of one library.
func (l *layout) need(at uint64, b []byte, known map[uint16]bool) string {
	count, file, aux := l.order.Uint16(b[2:]), l.strings.at(uint64(l.order.Uint32(b[4:]))), uint64(l.order.Uint32(b[8:]))
	needed := slices.ContainsFunc(l.dynamic, func(d elf.Dyn64) bool {
		return elf.DynTag(d.Tag) == elf.DT_NEEDED && string(l.strings.at(d.Val)) == string(file)
	})
	if l.order.Uint16(b) != 1 || len(file) == 0 || !needed || count == 0 {
		return fmt.Sprintf("%d versions of a library that isn't needed", count)
	}
	at += aux
	for i := range count {
		b := l.constant(at, 16)
		if b == nil || len(l.strings.at(uint64(l.order.Uint32(b[8:])))) == 0 {
			return "a needed version without a name"
		}
		if hashSYSV(l.strings.at(uint64(l.order.Uint32(b[8:])))) != l.order.Uint32(b) {
			return "a needed version with the hash of another"
		}
		known[l.order.Uint16(b[6:])&0x7fff] = true
		next := uint64(l.order.Uint32(b[12:]))
		if (next == 0) != (i == count-1) || next%4 != 0 {
			return fmt.Sprintf("%d needed versions, not %d", i+1, count)
		}
		at += next
	}
	return ""
}

// define reads one version that the image defines.
func (l *layout) define(at uint64, b []byte, known map[uint16]bool) string {
	count, aux := l.order.Uint16(b[6:]), uint64(l.order.Uint32(b[12:]))
	name := l.constant(at+aux, 8)
	if l.order.Uint16(b) != 1 || count == 0 || name == nil || len(l.strings.at(uint64(l.order.Uint32(name)))) == 0 {
		return "a defined version without a name"
	}
	known[l.order.Uint16(b[4:])&0x7fff] = true
	return ""
}

// hashSYSV returns the hash of a name as the System V ABI has it.
func hashSYSV(name []byte) (h uint32) {
	for _, c := range name {
		h = h<<4 + uint32(c)
		h ^= h >> 24 & 0xf0
	}
	return h & 0x0fffffff
}
