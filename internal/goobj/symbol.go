package goobj

import "encoding/binary"

// Symbol is a symbol that an object defines or refers to.
type Symbol struct {
	Name string
	ABI  uint16 // ABI0, ABIInternal, or Static
	Kind Kind   // 0 if the object doesn't define it
	Size int
	Flag uint8
	More uint8 // other flags
}

// The ABIs of symbols. What isn't a function has ABI0.
const (
	ABI0        = 0
	ABIInternal = 1
	Static      = 0xffff // the name means something only in the object
)

// Kind is what a symbol is.
type Kind uint8

// The kinds that matter here (cmd/internal/objabi.SymKind).
const (
	KindText     Kind = 1
	KindTextFIPS Kind = 2
	KindData     Kind = 7 // with pointers
	KindDataFIPS Kind = 8
	KindBSS      Kind = 9 // with pointers
)

// IsText reports whether the symbol is a function.
func (k Kind) IsText() bool { return k == KindText || k == KindTextFIPS }

// HasPointers reports whether the symbol is a variable with pointers.
func (k Kind) HasPointers() bool { return k == KindData || k == KindDataFIPS || k == KindBSS }

const (
	flagGoType = 1 << 6

	moreLinkname = 1 << 4
	moreWrapper  = 1 << 5
)

// IsType reports whether the symbol is a type descriptor.
func (s Symbol) IsType() bool { return s.Flag&flagGoType != 0 }

// IsLinkname reports whether a reference is by go:linkname or from assembly, or whether a definition has such a directive.
func (s Symbol) IsLinkname() bool { return s.More&moreLinkname != 0 }

// IsWrapper reports whether the symbol is a function that calls another of its name, with the other ABI.
func (s Symbol) IsWrapper() bool { return s.More&moreWrapper != 0 }

// Symbol returns the symbol with that index. Indices from Defined on are those of symbols that the object only refers to.
func (o *Object) Symbol(i int) Symbol {
	b := o.b[o.offsets[blockSymbols]+i*symbolSize:]
	return Symbol{
		Name: o.text(o.offsets[blockSymbols] + i*symbolSize), ABI: binary.LittleEndian.Uint16(b[8:]), Kind: Kind(b[10]), Flag: b[11], More: b[12],
		Size: int(binary.LittleEndian.Uint32(b[13:])),
	}
}

// Named reports whether other objects can refer to the symbol with that index by its name.
func (o *Object) Named(i int) bool {
	hashed := i >= o.counts[0] && i < o.counts[0]+o.counts[1]+o.counts[2]
	return !hashed && o.abi(i) != Static && binary.LittleEndian.Uint32(o.b[o.offsets[blockSymbols]+i*symbolSize:]) > 0 // the length of its name
}

func (o *Object) abi(i int) uint16 {
	return binary.LittleEndian.Uint16(o.b[o.offsets[blockSymbols]+i*symbolSize+8:])
}

// Ref is a reference to a symbol.
type Ref struct {
	// Index is that of the symbol, or negative: None or Foreign.
	Index int
}

const (
	// None says that a relocation has no symbol.
	None = -1
	// Foreign says that a symbol is referred to by its index in another object, or in a list of the linker. That can't be resolved
	// without the other object. Objects that were compiled with -linkshared have no such references.
	Foreign = -2
)

// The package indices with a special meaning (cmd/internal/goobj).
const (
	packageNone     = 1<<31 - 1 - iota // symbols without a package, by name
	packageHashed64                    // content-addressable symbols
	packageHashed
	packageBuiltin
	packageSelf
)

// ref reads a reference.
func (o *Object) ref(b []byte) Ref {
	pkg, i := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	base, count := 0, 0
	switch pkg {
	case 0:
		return Ref{None}
	case packageSelf:
		count = o.counts[0]
	case packageHashed64:
		base, count = o.counts[0], o.counts[1]
	case packageHashed:
		base, count = o.counts[0]+o.counts[1], o.counts[2]
	case packageNone:
		base = o.counts[0] + o.counts[1] + o.counts[2]
		count = o.counts[3] + o.counts[4]
	}
	if i >= count {
		return Ref{Foreign}
	}
	return Ref{base + i}
}
