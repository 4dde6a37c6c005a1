package listener

import "encoding/binary"

// goAway is a frame of HTTP/2 that tells a client to open no more streams here. It names the largest stream there can be, so those
// that the client has opened before it reads this are served, too. net/http's own one names the last stream that it has seen: what
// is on its way it ignores, and not every client asks again elsewhere.
var goAway = []byte{0, 0, 8, 7 /* GOAWAY */, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// frameHead is the length of what each frame begins with: the length of the rest in three bytes, a type, flags and a stream.
const frameHead = 9

// frames follows what a server writes on a connection of HTTP/2, to find where a frame may be inserted.
type frames struct {
	said bool // the client was told to leave
	any  bool // a frame was written; the first must be the server's settings

	head  [frameHead]byte // of the frame that is being written
	has   int             // bytes of it
	left  int             // bytes of its rest
	block bool            // a header is unfinished: its frames must follow each other
}

// between reports whether a frame may be written now.
func (f *frames) between() bool { return f.any && f.has == 0 && f.left == 0 && !f.block }

// pass notes that p is written.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		p = p[f.step(p):]
	}
}

// step notes that the next bytes of p are written, at most to the end of a frame, and returns how many.
func (f *frames) step(p []byte) (n int) {
	if f.left == 0 {
		n = copy(f.head[f.has:], p)
		if f.has += n; f.has < frameHead {
			return n
		}
		f.begin()
	}
	rest := min(f.left, len(p)-n)
	f.left -= rest
	return n + rest
}

// begin reads the head of a frame.
func (f *frames) begin() {
	const headers, pushPromise, goAway, continuation, endHeaders = 1, 5, 7, 9, 4
	f.has, f.any = 0, true
	f.left = int(binary.BigEndian.Uint32(f.head[:]) >> 8)
	switch kind, flags := f.head[3], f.head[4]; kind {
	case headers, pushPromise, continuation:
		f.block = flags&endHeaders == 0
	case goAway:
		f.said = true // by net/http; a later one must not name a larger stream
	}
}
