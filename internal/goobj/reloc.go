package goobj

// Reloc is a reference from the content of a symbol.
type Reloc struct {
	Offset int
	Size   int
	Type   RelocType
	Addend int64
	To     Ref
}

// RelocType is the kind of a relocation.
type RelocType uint16

// The types of relocations that are more than addresses (cmd/internal/objabi.RelocType), as of Go 1.26 and 1.27.
const (
	RelocAddr           RelocType = 1
	RelocAddrOffset     RelocType = 5  // an offset in its section, which only a symbol of the same file has
	RelocUseType        RelocType = 22 // for debugging information
	RelocUseIface       RelocType = 23
	RelocUseIfaceMethod RelocType = 24
	RelocUseNamedMethod RelocType = 25
	RelocMethodOffset   RelocType = 26 // like RelocAddrOffset, for methods
)

// Weak is part of the type of a reference that does not keep the symbol that it refers to.
const Weak RelocType = 1 << 15
