package state

import (
	"fmt"
	"io"
	"math/bits"
	"unsafe"
)

// What a value takes is counted in one way by whoever copies, writes or reads it: memory is what is allocated for objects,
// strings and interfaces, by the sizes of their types. The encoder counts what the decoder will count, so that nothing is
// written that can't be read again. A mover counts the same but for strings, which copies share. TestAccount compares them.

// mapHead is what is counted for a Go map besides its entries, in bytes.
const mapHead = 64

// What is counted for each type in a stream, each field, and each earlier name of one, besides their names, in bytes.
const (
	shapeMemory = int64(unsafe.Sizeof(shape{})) + 8
	fieldMemory = int64(unsafe.Sizeof(field{}))
	wasMemory   = 16
)

// numberedText is what the decoder holds for each numbered string besides its bytes.
const numberedText = int64(unsafe.Sizeof(""))

// within reports whether n pieces of size bytes, neither of which is negative, are at most limit bytes. A division would take longer
// than what is counted.
func within(n, size, limit int64) bool {
	hi, lo := bits.Mul64(uint64(n), uint64(size))
	return hi == 0 && limit >= 0 && lo <= uint64(limit)
}

// charge counts n pieces of size bytes that the decoder will allocate.
func (e *encoder) charge(n, size int64) {
	if e.err != nil {
		return
	}
	if !within(n, size, e.memory) {
		e.err = fmt.Errorf("%w: to read it again would take more memory than that", ErrLimit)
		return
	}
	e.memory -= n * size
}

// name writes a text that is no value.
func (e *encoder) name(s string) {
	e.charge(int64(len(s)), 1)
	e.text(s)
}

// shared writes a string that is a value, or its number if it was written before.
func (e *encoder) shared(s string) {
	if len(s) >= sharedText {
		if n, met := e.texts.number(textSpan(s), uint64(e.texts.used)+1); met {
			e.uint(n)
			return
		}
		e.charge(1, numberedText)
	}
	e.charge(int64(len(s)), 1)
	e.text(s)
}

func textSpan(s string) span { return span{uintptr(unsafe.Pointer(unsafe.StringData(s))), len(s)} }

// shared reads a string that is a value.
func (d *decoder) shared() string {
	if d.format > firstFormat && d.need(1) && d.buf[d.pos]>>5 == majorUint {
		n := d.uint()
		if d.err == nil && (n == 0 || n > uint64(len(d.texts))) {
			d.corrupt("string %d of %d", n, len(d.texts))
		}
		if d.err != nil {
			return ""
		}
		return d.texts[n-1]
	}
	s := d.string()
	if d.format > firstFormat && len(s) >= sharedText && d.charge(1, numberedText) {
		d.texts = append(d.texts, s)
	}
	return s
}

// capped is a writer that takes so many bytes.
type capped struct {
	w    io.Writer
	left int64
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, fmt.Errorf("%w: length of the stream", ErrLimit)
	}
	return c.w.Write(p)
}
