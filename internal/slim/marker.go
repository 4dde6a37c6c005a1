package slim

import "debug/elf"

// The linker lets a plugin compare the hash that a library stated when it was linked with the one that it states when it is loaded. The
// stub states none, and neither does the marker.
const (
	markerSymbol = "go:link.abihash." + StubName
	markerSize   = 16 // bytes of an empty string
)

// Marker returns an object that stands for the stub in the image.
func Marker(machine elf.Machine) []byte {
	f := newFile(elf.ET_REL, machine)
	i := f.symbol(markerSymbol, elf.STT_OBJECT, 0, markerSize, 1)
	f.table[i*symbolSize+5] = byte(elf.STV_HIDDEN)
	return f.object(make([]byte, markerSize))
}
