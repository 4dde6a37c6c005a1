package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// reader reads CBOR piece by piece and trusts none of it: every number is checked before memory is allocated for it. The
// first error is kept; after it every call returns zero values.
type reader struct {
	r        io.Reader
	buf      []byte // all of a buffer
	pos, end int
	summed   int // buf[:summed] is in crc
	crc      uint32
	left     int64 // bytes that may still be taken from r
	memory   int64 // bytes that may still be allocated
	err      error
}

// newReader returns a reader that takes so many bytes from r, and allocates so many, at most. Once it isn't used any more, free may be
// called.
func newReader(r io.Reader, bytes, memory int64) reader {
	return reader{r: r, buf: takeBuffer()[:], left: bytes, memory: memory}
}

// free gives the buffer back.
func (r *reader) free() {
	giveBack((*buffer)(r.buf))
	r.buf = nil
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) corrupt(format string, args ...any) {
	r.fail(fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...)))
}

// charge counts n pieces of size bytes that are about to be allocated. It reports whether they are within the limit.
func (r *reader) charge(n, size int64) bool {
	if r.err != nil {
		return false
	}
	if n < 0 || !within(n, size, r.memory) {
		r.fail(fmt.Errorf("%w: memory", ErrLimit))
		return false
	}
	r.memory -= n * size
	return true
}

// elements fails if n elements, of at least one byte each, can't follow within the limit.
func (r *reader) elements(n uint64) bool {
	if r.err == nil && n > uint64(r.left)+uint64(r.end-r.pos) {
		r.fail(fmt.Errorf("%w: %d elements don't fit into the rest of the stream", ErrLimit, n))
	}
	return r.err == nil
}

// need makes n bytes available in buf. n is at most len(buf).
func (r *reader) need(n int) bool {
	if r.err != nil {
		return false
	}
	if r.end-r.pos >= n {
		return true
	}
	r.compact()
	for r.end < n {
		k := r.read(r.buf[r.end:])
		if r.end += k; k == 0 {
			return false
		}
	}
	return true
}

// compact moves what is left in the buffer to its beginning.
func (r *reader) compact() {
	r.crc = crc32.Update(r.crc, castagnoli(), r.buf[r.summed:r.pos])
	copy(r.buf, r.buf[r.pos:r.end])
	r.pos, r.summed, r.end = 0, 0, r.end-r.pos
}

// read reads at least one byte into space, unless it fails.
func (r *reader) read(space []byte) int {
	if int64(len(space)) > r.left {
		space = space[:r.left]
	}
	if len(space) == 0 {
		r.fail(fmt.Errorf("%w: length of the stream", ErrLimit))
		return 0
	}
	for range 100 {
		k, err := r.r.Read(space)
		r.left -= int64(k)
		switch {
		case k > 0: // an error comes again
			return k
		case err == io.EOF:
			r.corrupt("the stream ends too early")
			return 0
		case err != nil:
			r.fail(fmt.Errorf("read state: %w", err))
			return 0
		}
	}
	r.fail(fmt.Errorf("read state: %w", io.ErrNoProgress))
	return 0
}

// head reads the head of an item: its major type and its number. For simple values and floats, n holds the bits that follow
// info.
func (r *reader) head() (major, info byte, n uint64) {
	if r.err != nil || r.pos == r.end && !r.need(1) {
		return
	}
	b := r.buf[r.pos]
	major, info = b>>5, b&31
	size := 0
	switch {
	case info < 24:
		n = uint64(info)
	case info <= 27:
		size = 1 << (info - 24)
	case info == indefinite:
	default:
		r.corrupt("item with head %#x", b)
		return
	}
	if size == 0 {
		r.pos++
		return
	}
	if r.end-r.pos <= size && !r.need(1+size) {
		return
	}
	switch p := r.buf[r.pos+1:]; size {
	case 1:
		n = uint64(p[0])
	case 2:
		n = uint64(binary.BigEndian.Uint16(p))
	case 4:
		n = uint64(binary.BigEndian.Uint32(p))
	case 8:
		n = binary.BigEndian.Uint64(p)
	}
	r.pos += 1 + size
	return
}

// expect reads the head of an item of definite length with the major type want, and returns its number.
func (r *reader) expect(want byte) uint64 {
	major, info, n := r.head()
	if r.err == nil && (major != want || info == indefinite) {
		r.corrupt("item of type %d instead of %d", major, want)
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) array(n int) {
	if got := r.expect(majorArray); r.err == nil && got != uint64(n) {
		r.corrupt("%d values instead of %d", got, n)
	}
}

func (r *reader) uint() uint64 { return r.expect(majorUint) }

func (r *reader) int() int64 {
	major, info, n := r.head()
	switch {
	case r.err != nil:
	case major > majorInt || info == indefinite || n > math.MaxInt64:
		r.corrupt("not a 64-bit integer")
	case major == majorInt:
		return ^int64(n)
	default:
		return int64(n)
	}
	return 0
}

func (r *reader) float() float64 {
	major, info, n := r.head()
	switch {
	case r.err != nil:
	case major == majorSimple && info == float64Info:
		return math.Float64frombits(n)
	case major == majorSimple && info == float32Info:
		return float64(math.Float32frombits(uint32(n)))
	default:
		r.corrupt("not a floating-point number")
	}
	return 0
}

func (r *reader) bool() bool {
	major, info, _ := r.head()
	if r.err == nil && (major != majorSimple || info != simpleFalse && info != simpleTrue) {
		r.corrupt("not a boolean")
	}
	return r.err == nil && info == simpleTrue
}

// null skips a null if it is next, and reports whether it was.
func (r *reader) null() bool {
	is := r.err == nil && (r.pos < r.end || r.need(1)) && r.buf[r.pos] == majorSimple<<5|simpleNull
	if is {
		r.pos++
	}
	return is
}

// sum reads a checksum and compares it with that of the bytes before.
func (r *reader) sum() {
	r.crc = crc32.Update(r.crc, castagnoli(), r.buf[r.summed:r.pos])
	r.summed = r.pos
	want := r.crc
	if got := r.uint(); r.err == nil && got != uint64(want) {
		r.corrupt("checksum %08x, want %08x", got, want)
	}
}

// intact reads the rest and reports whether the last item is the checksum of everything before it.
func (r *reader) intact() bool {
	const last = 5 // bytes of the item, as the writer writes it
	tail := append([]byte(nil), r.buf[r.summed:r.end]...)
	rest := io.LimitReader(r.r, r.left)
	for {
		if n := len(tail) - last; n > 0 {
			r.crc = crc32.Update(r.crc, castagnoli(), tail[:n])
			tail = append(tail[:0], tail[n:]...)
		}
		n, err := rest.Read(r.buf)
		tail = append(tail, r.buf[:n]...)
		if n == 0 && err != nil {
			return err == io.EOF && len(tail) == last && binary.BigEndian.Uint32(tail[1:]) == r.crc
		}
	}
}
