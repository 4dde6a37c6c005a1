package native

import (
	"debug/elf"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// runtimeRules are about what the Go runtime believes of an image without checking it, where what follows depends on what else is mapped
// beside the image: a probe and a server would differ. Whatever stays within the image goes the same way in both.
var runtimeRules = slices.DeleteFunc([]rule{
	{"type links", "offsets of types in the image", (*layout).typeLinks},
}, func(rule) bool { return !strings.HasPrefix(runtime.Version(), typeLinksRelease) })

// codeRules are about what compiled code believes. On arm64 Go leaves registers to the linker.
var codeRules = slices.DeleteFunc([]rule{
	{"linkage code", "code that changes no register on the way to a function", (*layout).linkageCode},
}, func(rule) bool { return runtime.GOARCH != "amd64" })

// linkageCode looks at the code between a call and a function of another image. Go has arguments in all registers, and the ninth in R11,
// which the System V ABI leaves to that code: entries as mold makes them load R11 with a number, and then jump.
func (l *layout) linkageCode() string {
	s := l.f.Section(".plt")
	if s == nil || l.f.Machine != elf.EM_X86_64 {
		return ""
	}
	b := l.f.at(s.Addr, int(min(s.Size, maxTable)))
	for i := range max(len(b)-7, 0) {
		if b[i] == 0x41 && b[i+1] == 0xbb && b[i+6] == 0xff && b[i+7] == 0x25 { // MOVL $number, R11; JMP *address
			return fmt.Sprintf("an entry at %#x that changes R11, as the linker mold makes it", s.Addr+uint64(i))
		}
	}
	return ""
}

// typeLinksRelease is the only Go release known here that has a table of type links: the next one finds types without.
const typeLinksRelease = "go1.26"

// The words of the module's description, of type runtime.moduledata, that say where types and the table of links to them are.
const (
	wordTypes      = 37
	wordTypesEnd   = 38
	wordTypeLinks  = 45
	wordTypeLinksN = 46
)

// typeLinks looks at the table that runtime.typelinksinit goes through: an offset from the beginning of the types for each type that another
// module may have, too.
func (l *layout) typeLinks() string {
	at := l.typeLinksAt()
	if at.n == 0 {
		return ""
	}
	b := l.f.at(at.table, int(at.n*4))
	if b == nil {
		return span(at.table, at.n*4)
	}
	for i := range at.n {
		if off := uint64(l.order.Uint32(b[i*4:])); off >= at.typesSize {
			return fmt.Sprintf("link %d of %d to the offset %#x of %#x", i, at.n, off, at.typesSize)
		}
	}
	return ""
}

// linkTable is where the links to types are, and how many bytes of types there are.
type linkTable struct{ table, n, typesSize uint64 }

// typeLinksAt reads the module's description. An image without one has no links.
func (l *layout) typeLinksAt() (t linkTable) {
	s := l.f.Section(".go.module")
	if s == nil || s.Type != elf.SHT_PROGBITS || s.FileSize < (wordTypeLinksN+1)*8 {
		return t
	}
	types, end, table := l.pointer(s.Addr+wordTypes*8), l.pointer(s.Addr+wordTypesEnd*8), l.pointer(s.Addr+wordTypeLinks*8)
	n := l.f.at(s.Addr+wordTypeLinksN*8, 8)
	if n == nil || types > end {
		return t
	}
	t = linkTable{table, l.order.Uint64(n), end - types}
	if t.n > maxTable/4 {
		t.n = maxTable / 4 // found to be beyond the end
	}
	return t
}

// pointer returns the address within the image that the loader writes to a place, or 0.
func (l *layout) pointer(at uint64) (value uint64) {
	addr, _ := l.value(elf.DT_RELA)
	size, _ := l.value(elf.DT_RELASZ)
	for b := l.constant(addr, size); len(b) >= relaSize; b = b[relaSize:] {
		if l.order.Uint64(b) == at {
			return l.readRelocation(b).addend
		}
	}
	l.eachCompact(func(target uint64) string {
		if b := l.f.at(target, 8); target == at && b != nil {
			value = l.order.Uint64(b)
		}
		return ""
	})
	return value
}
