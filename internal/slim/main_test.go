package slim

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// hostBase is where the content of test hosts is mapped.
const hostBase = 0x400000

// testHost is a host program in the making.
type testHost struct {
	*file
	data []byte
}

func newTestHost() *testHost {
	return &testHost{file: newFile(elf.ET_EXEC, elf.EM_X86_64)}
}

// add adds a symbol with content and returns its address.
func (h *testHost) add(name string, kind elf.SymType, content []byte) uint64 {
	at := hostBase + uint64(len(h.data))
	h.data = append(h.data, content...)
	h.symbol(name, kind, at, uint64(len(content)), 1)
	return at
}

// descriptor adds a type descriptor with a mask of its pointers. Rest is what comes after the part that all have.
func (h *testHost) descriptor(name string, kind byte, pointers uint64, mask []byte, rest ...uint64) uint64 {
	at := hostBase + uint64(len(h.data))
	h.data = append(h.data, mask...)
	b := make([]byte, typeSize)
	binary.LittleEndian.PutUint64(b[pointersOffset:], pointers)
	binary.LittleEndian.PutUint64(b[maskOffset:], at)
	b[kindOffset] = kind
	for _, word := range rest {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return h.add(name, elf.STT_OBJECT, b)
}

// open writes the host to a file and reads it.
func (h *testHost) open(t *testing.T) *Host {
	t.Helper()
	name := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(name, h.library(h.data, hostBase, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	host, err := ReadHost(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() }) // read only
	return host
}
