package state

import (
	"bufio"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"unicode/utf8"
)

// Major types and simple values of CBOR, RFC 8949.
const (
	majorUint   = 0
	majorInt    = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorTag    = 6
	majorSimple = 7

	simpleFalse = 20
	simpleTrue  = 21
	simpleNull  = 22
	float32Info = 26
	float64Info = 27
	indefinite  = 31

	selfDescribed = 55799 // a tag that marks a file as CBOR
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writer writes CBOR piece by piece. The first error of the underlying writer is kept, and sum returns it.
type writer struct {
	*bufio.Writer
	crc hash.Hash32
}

func newWriter(w io.Writer) *writer {
	crc := crc32.New(castagnoli)
	return &writer{bufio.NewWriterSize(io.MultiWriter(w, crc), 64<<10), crc}
}

func (w *writer) head(major byte, n uint64) {
	major <<= 5
	switch {
	case n < 24:
		w.WriteByte(major | byte(n))
	case n <= math.MaxUint8:
		w.Write([]byte{major | 24, byte(n)})
	case n <= math.MaxUint16:
		w.Write([]byte{major | 25, byte(n >> 8), byte(n)})
	case n <= math.MaxUint32:
		w.fixed(major|26, 4, n)
	default:
		w.fixed(major|27, 8, n)
	}
}

func (w *writer) fixed(first byte, size int, n uint64) {
	w.WriteByte(first)
	for i := size - 1; i >= 0; i-- {
		w.WriteByte(byte(n >> (8 * i)))
	}
}

func (w *writer) uint(n uint64) { w.head(majorUint, n) }

func (w *writer) int(n int64) {
	if n < 0 {
		w.head(majorInt, uint64(^n))
	} else {
		w.head(majorUint, uint64(n))
	}
}

func (w *writer) float(x float64) { w.fixed(majorSimple<<5|float64Info, 8, math.Float64bits(x)) }

func (w *writer) float32(x float32) {
	w.fixed(majorSimple<<5|float32Info, 4, uint64(math.Float32bits(x)))
}

// text writes a string as bytes if it isn't UTF-8, which CBOR's text must be.
func (w *writer) text(s string) {
	if utf8.ValidString(s) {
		w.head(majorText, uint64(len(s)))
	} else {
		w.head(majorBytes, uint64(len(s)))
	}
	w.WriteString(s)
}

func (w *writer) bytes(b []byte) {
	w.head(majorBytes, uint64(len(b)))
	w.Write(b)
}

func (w *writer) bool(b bool) {
	if b {
		w.head(majorSimple, simpleTrue)
	} else {
		w.head(majorSimple, simpleFalse)
	}
}

func (w *writer) null() { w.head(majorSimple, simpleNull) }

// sum writes the checksum of everything written before, always in five bytes.
func (w *writer) sum() error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.fixed(majorUint<<5|26, 4, uint64(w.crc.Sum32()))
	return w.Flush()
}
