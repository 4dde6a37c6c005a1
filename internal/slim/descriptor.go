package slim

import (
	"debug/elf"
	"encoding/binary"
)

// What is known of type descriptors (internal/abi.Type).
const (
	pointersOffset = 8  // how many bytes of the type can have pointers
	flagsOffset    = 20 // tflag
	kindOffset     = 23
	maskOffset     = 32 // address of the mask that says which words are pointers
	typeSize       = 48 // of the part that all descriptors begin with

	maskOnDemand = 1 << 4 // in tflag: there is no mask
	kindMask     = 31
	kindArray    = 17
	kindStruct   = 25
)

// isComposite reports whether the linker derives the layout of a type from those of others.
func isComposite(descriptor []byte) bool {
	k := descriptor[kindOffset] & kindMask
	return k == kindArray || k == kindStruct
}

// mask returns the mask of a host's type, or nil if the descriptor has none.
func (h *Host) mask(descriptor []byte) []byte {
	words := (binary.LittleEndian.Uint64(descriptor[pointersOffset:]) + 7) / 8
	if descriptor[flagsOffset]&maskOnDemand != 0 || words == 0 {
		return nil
	}
	return h.bytes(binary.LittleEndian.Uint64(descriptor[maskOffset:]), (words+7)/8)
}

func isFunction(s symbol) bool { return s.kind == elf.STT_FUNC }
