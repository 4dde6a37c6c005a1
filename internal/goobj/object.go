package goobj

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"unsafe"
)

const magic = "\x00go120ld"

// The blocks of an object, in the order of their offsets in its header.
const (
	blockAutolib = iota
	blockPackages
	blockFiles
	blockSymbols
	blockHashed64
	blockHashed
	blockNonPackage
	blockReferences
	blockFlags
	blockHash64
	blockHash
	blockRelocIndex
	blockAuxIndex
	blockDataIndex
	blockRelocs
	blockAux
	blockData
	blockNames
	blockEnd
	blocks
)

// Sizes in bytes of what the blocks hold.
const (
	headerSize  = len(magic) + 8 + 4 + 4*blocks
	symbolSize  = 8 + 2 + 1 + 1 + 1 + 4 + 4
	relocSize   = 4 + 1 + 2 + 8 + 8
	auxSize     = 1 + 8
	packageSize = 8 + 8
)

// Object is one Go object file.
type Object struct {
	Fingerprint [8]byte // the hash of the package's export data
	Standard    bool    // whether the package belongs to the standard library

	b       []byte
	offsets [blocks]int
	counts  [5]int // of symbols, in the blocks from blockSymbols to blockReferences
	defined int    // how many of them it defines: all but the last block's
}

// DropFingerprint removes the fingerprint from the first object in an archive, in place. The linker doesn't compare such objects, which
// assembly has, too, with others of their package. The error is ErrFormat if there is none.
func DropFingerprint(archive []byte) error {
	at := bytes.Index(archive, []byte(magic))
	if at < 0 || len(archive)-at < headerSize {
		return ErrFormat
	}
	clear(archive[at+len(magic):][:8])
	return nil
}

func parseObject(b []byte) (*Object, error) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	const flagStandard = 1 << 4
	o := &Object{b: b, Standard: b[len(magic)+8]&flagStandard != 0}
	copy(o.Fingerprint[:], b[len(magic):])
	for i := range o.offsets {
		o.offsets[i] = int(binary.LittleEndian.Uint32(b[len(magic)+12+4*i:]))
		if o.offsets[i] > len(b) || i > 0 && o.offsets[i] < o.offsets[i-1] {
			return nil, fmt.Errorf("%w: its blocks overlap", ErrFormat)
		}
	}
	for i := range o.counts {
		o.counts[i] = o.size(blockSymbols+i) / symbolSize
	}
	o.defined = o.counts[0] + o.counts[1] + o.counts[2] + o.counts[3]
	for _, block := range []int{blockRelocIndex, blockAuxIndex, blockDataIndex} {
		if o.size(block) < 4*(o.defined+1) {
			return nil, fmt.Errorf("%w: an index is too short", ErrFormat)
		}
	}
	return o, nil
}

func (o *Object) size(block int) int { return o.offsets[block+1] - o.offsets[block] }

// Defined returns the number of symbols that the object defines. Their indices begin with 0.
func (o *Object) Defined() int { return o.defined }

// Symbols returns the number of symbols that the object defines or refers to by name.
func (o *Object) Symbols() int { return o.defined + o.counts[4] }

// Imports returns the packages that this one was compiled against, with the hashes of their export data.
func (o *Object) Imports() map[string][8]byte {
	imports := make(map[string][8]byte)
	for at := o.offsets[blockAutolib]; at+packageSize <= o.offsets[blockPackages]; at += packageSize {
		imports[o.text(at)] = [8]byte(o.b[at+8 : at+packageSize])
	}
	return imports
}

// text returns the string that a length and an offset at at refer to, or "" if they lie outside of the object.
func (o *Object) text(at int) string {
	n, from := int(binary.LittleEndian.Uint32(o.b[at:])), int(binary.LittleEndian.Uint32(o.b[at+4:]))
	if n == 0 || from+n > len(o.b) {
		return ""
	}
	return unsafe.String(unsafe.SliceData(o.b[from:]), n) // nothing changes the object
}

// Relocs returns the relocations of the symbol with that index.
func (o *Object) Relocs(i int) iter.Seq[Reloc] {
	from, to := o.span(blockRelocIndex, blockRelocs, relocSize, i)
	return func(yield func(Reloc) bool) {
		at := o.offsets[blockRelocs] + from*relocSize
		for range to - from {
			b := o.b[at : at+relocSize]
			at += relocSize
			if !yield(Reloc{
				Offset: int(int32(binary.LittleEndian.Uint32(b))), Size: int(b[4]), Type: RelocType(binary.LittleEndian.Uint16(b[5:])),
				Addend: int64(binary.LittleEndian.Uint64(b[7:])), To: o.ref(b[15:]),
			}) {
				return
			}
		}
	}
}

// GoType returns the symbol of the type of the variable with that index, if the object states it.
func (o *Object) GoType(i int) (Ref, bool) {
	const auxGoType = 0
	from, to := o.span(blockAuxIndex, blockAux, auxSize, i)
	for at := o.offsets[blockAux] + from*auxSize; from < to; from, at = from+1, at+auxSize {
		if o.b[at] == auxGoType {
			return o.ref(o.b[at+1:]), true
		}
	}
	return Ref{}, false
}

// Data returns the content of the symbol with that index, which is shorter than the symbol if the rest is zero.
func (o *Object) Data(i int) []byte {
	from, to := o.span(blockDataIndex, blockData, 1, i)
	return o.b[o.offsets[blockData]+from : o.offsets[blockData]+to]
}

// span returns the part of a block that belongs to a symbol, in items. It is empty if the index contradicts the block's size.
func (o *Object) span(index, block, size, i int) (from, to int) {
	at := o.offsets[index] + 4*i
	from, to = int(binary.LittleEndian.Uint32(o.b[at:])), int(binary.LittleEndian.Uint32(o.b[at+4:]))
	if from > to || to*size > o.size(block) {
		return 0, 0
	}
	return from, to
}
