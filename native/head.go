package native

import (
	"debug/elf"
	"encoding/binary"
)

// JudgeHead reports why a file that begins with these bytes can't be a plugin; it needs 64 of them, or the whole file. So a file that is
// something else need not be read any further. The errors are ErrEmpty, ErrNotELF, ErrTruncated and a *Rejection.
func JudgeHead(head []byte) error {
	switch {
	case len(head) == 0:
		return ErrEmpty
	case len(head) < len(elf.ELFMAG) || string(head[:len(elf.ELFMAG)]) != elf.ELFMAG:
		return ErrNotELF
	case len(head) < binary.Size(elf.Header64{}):
		return ErrTruncated
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	kind := KindOther
	switch elf.Type(order.Uint16(head[16:])) {
	case elf.ET_DYN: // also what most programs are
		return nil
	case elf.ET_EXEC:
		kind = KindExecutable
	case elf.ET_REL:
		kind = KindObject
	}
	return &Rejection{Reasons: []Reason{notPlugin(kind)}}
}

func notPlugin(found Kind) Reason {
	return Reason{Code: NotPlugin, Want: KindPlugin.describe(), Found: found.describe(),
		Remedy: "build it with `sohost build`, or with `go build -buildmode=plugin`"}
}
