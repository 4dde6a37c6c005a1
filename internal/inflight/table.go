package inflight

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/sohost/sohost/generations"
	"golang.org/x/sys/unix"
)

// The file is a page with a header, and then rows of whole pages. Each row is a header and the counters of one generation.
// Pages that no row has needed take no memory. All numbers are in the byte order of the machine.
const (
	magic = 0x656c62617463736f // a file with other rows gets another one
	page  = 4096

	maxRows   = 4096
	rowHeader = 512

	_ = uint(rowHeader - unsafe.Sizeof(row{})) // it has room for one
)

// header is the beginning of the file.
type header struct {
	magic    uint64
	rowSize  uint32
	counters uint32        // bytes in each row
	used     atomic.Uint32 // rows that were ever used: the first so many
	missing  atomic.Uint32 // images that have no row, because there was none left
}

// row is the beginning of a row.
type row struct {
	state      atomic.Uint32 // rowFree or rowTaken
	background atomic.Uint32 // 1 while there is work in the background
	inside     [numSteps]atomic.Int32
	image      generations.ID
	length     uint32 // of name
	name       [100]byte
}

const (
	rowFree = iota
	rowTaken
)

// A Table is the file as the process has it that serves. A nil *Table keeps nothing.
type Table struct {
	file     *os.File
	memory   []byte
	rowSize  int
	counters int

	mu   sync.Mutex // guards free, and the fields of rows that aren't atomic
	free []int      // rows that were given back
}

// NewTable makes a table of a memory file, which must be empty, and keeps the file open. A nil file makes a nil table.
func NewTable(file *os.File) (*Table, error) {
	if file == nil {
		return nil, nil
	}
	t := &Table{file: file, counters: generations.CountersSize()}
	t.rowSize = (rowHeader + t.counters + page - 1) / page * page
	size := page + maxRows*t.rowSize
	if err := file.Truncate(int64(size)); err != nil {
		return nil, fmt.Errorf("table of calls: %w", err)
	}
	if err := t.allocate(0, page); err != nil {
		return nil, fmt.Errorf("table of calls: %w", err)
	}
	err := t.withFD(func(fd int) (err error) {
		t.memory, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("map the table of calls: %w", err)
	}
	h := t.header()
	h.rowSize, h.counters, h.magic = uint32(t.rowSize), uint32(t.counters), magic
	return t, nil
}

func (t *Table) withFD(do func(fd int) error) error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = do(int(fd)) })
	return errors.Join(controlErr, err)
}

// allocate gives a part of the file its memory now: if it were given when it is written to and there was none left, that
// would be a SIGBUS.
func (t *Table) allocate(offset, size int) error {
	return t.withFD(func(fd int) error { return unix.Fallocate(fd, 0, int64(offset), int64(size)) })
}

func (t *Table) header() *header { return (*header)(unsafe.Pointer(unsafe.SliceData(t.memory))) }

func (t *Table) row(i int) *row { return (*row)(unsafe.Pointer(&t.memory[page+i*t.rowSize])) }

// Claim returns a row for an image that a plugin is about to load. It returns nil if the table is nil or no row is left.
func (t *Table) Claim(plugin string, image generations.ID) *Row {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.takeLocked()
	if !ok {
		t.header().missing.Add(1)
		return nil
	}
	r := t.row(i)
	r.image = image
	r.length = uint32(copy(r.name[:], plugin))
	r.state.Store(rowTaken) // last: who reads the file sees the row whole or not at all
	return &Row{table: t, index: i, row: r, inside: 1}
}

// takeLocked returns a free row, whose memory is allocated. All of it is zero, except that the counters of a row that was used
// before are still barred. t.mu is held.
func (t *Table) takeLocked() (index int, ok bool) {
	if n := len(t.free); n > 0 {
		index, t.free = t.free[n-1], t.free[:n-1]
		return index, true
	}
	h := t.header()
	next := int(h.used.Load())
	if next == maxRows || t.allocate(page+next*t.rowSize, t.rowSize) != nil {
		return 0, false
	}
	for offset := 0; offset < t.rowSize; offset += page { // so that no call has to wait for a page
		(*atomic.Uint64)(unsafe.Pointer(&t.memory[page+next*t.rowSize+offset])).Store(0)
	}
	h.used.Add(1)
	return next, true
}

// maxCount keeps sums of damaged counters within what JSON carries.
const maxCount = math.MaxInt32
