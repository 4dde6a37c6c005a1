package state

import (
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"unicode/utf8"
	"unsafe"
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

// castagnoli returns the table of the checksum. To make it takes 0.2 ms, which a process that needs none doesn't wait for.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// writer writes CBOR piece by piece. The first error, of the underlying writer or of whoever writes, is kept, and sum returns it. After it
// nothing is written.
type writer struct {
	w   io.Writer
	buf []byte // what isn't written yet; all of a buffer
	crc uint32 // of what is written
	err error
}

const longest = 9 // bytes of a head, or of a number

// newWriter returns a writer. Once it isn't used any more, free may be called.
func newWriter(w io.Writer) *writer { return &writer{w: w, buf: takeBuffer()[:0]} }

// free gives the buffer back.
func (w *writer) free() {
	giveBack((*buffer)(w.buf[:bufferSize]))
	w.buf = nil
}

// Flush writes what is in the buffer, and returns the first error so far.
func (w *writer) Flush() error {
	w.through(w.buf)
	w.buf = w.buf[:0]
	return w.err
}

// through writes p past the buffer, which is empty or p.
func (w *writer) through(p []byte) {
	if len(p) == 0 || w.err != nil {
		return
	}
	w.crc = crc32.Update(w.crc, castagnoli(), p)
	if _, err := w.w.Write(p); err != nil {
		w.err = fmt.Errorf("write state: %w", err)
	}
}

// room makes room for n bytes, which are not more than bufferSize.
func (w *writer) room(n int) {
	if len(w.buf)+n > cap(w.buf) {
		w.Flush()
	}
}

// one writes a byte.
func (w *writer) one(b byte) {
	w.room(1)
	w.buf = append(w.buf, b)
}

func (w *writer) head(major byte, n uint64) {
	w.room(longest)
	major <<= 5
	switch {
	case n < 24:
		w.buf = append(w.buf, major|byte(n))
	case n <= math.MaxUint8:
		w.buf = append(w.buf, major|24, byte(n))
	case n <= math.MaxUint16:
		w.buf = append(w.buf, major|25, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		w.fixed4(major|26, uint32(n))
	default:
		w.fixed8(major|27, n)
	}
}

func (w *writer) fixed4(first byte, n uint32) {
	w.room(longest)
	w.buf = append(w.buf, first, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func (w *writer) fixed8(first byte, n uint64) {
	w.room(longest)
	w.buf = append(w.buf, first, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func (w *writer) uint(n uint64) { w.head(majorUint, n) }

func (w *writer) int(n int64) {
	if n < 0 {
		w.head(majorInt, uint64(^n))
	} else {
		w.head(majorUint, uint64(n))
	}
}

func (w *writer) float(x float64) { w.fixed8(majorSimple<<5|float64Info, math.Float64bits(x)) }

func (w *writer) float32(x float32) { w.fixed4(majorSimple<<5|float32Info, math.Float32bits(x)) }

// text writes a string as bytes if it isn't UTF-8, which CBOR's text must be.
func (w *writer) text(s string) {
	if w.room(longest + min(len(s), bufferSize-longest)); len(s) > bufferSize-longest {
		w.head(textMajor(utf8.ValidString(s)), uint64(len(s)))
		w.raw(unsafe.Slice(unsafe.StringData(s), len(s)))
		return
	}
	// What is checked is the copy: it is in the cache by then.
	at := len(w.buf)
	w.head(majorText, uint64(len(s)))
	start := len(w.buf)
	w.buf = append(w.buf, s...)
	if !utf8.Valid(w.buf[start:]) {
		w.buf[at] ^= (majorText ^ majorBytes) << 5
	}
}

func textMajor(valid bool) byte {
	if valid {
		return majorText
	}
	return majorBytes
}

func (w *writer) bytes(b []byte) {
	w.head(majorBytes, uint64(len(b)))
	w.raw(b)
}

// raw writes bytes as they are. Many are not copied into the buffer first.
func (w *writer) raw(b []byte) {
	if len(b) <= cap(w.buf)-len(w.buf) {
		w.buf = append(w.buf, b...)
		return
	}
	w.Flush()
	if len(b) < bufferSize/2 {
		w.buf = append(w.buf, b...)
		return
	}
	w.through(b)
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
	w.fixed4(majorUint<<5|26, w.crc)
	return w.Flush()
}
