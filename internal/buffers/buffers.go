// Package buffers has buffers for texts that somebody holds for a moment, so that each of them needn't be made.
package buffers

import (
	"bytes"
	"sync"
)

// kept is the largest buffer that is used again, in bytes.
const kept = 4 << 20

var unused = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Get returns an empty buffer, which is the caller's until Put.
func Get() *bytes.Buffer { return unused.Get().(*bytes.Buffer) }

// Put gives a buffer back. Nothing may refer to what was in it.
func Put(b *bytes.Buffer) {
	if b.Cap() <= kept {
		b.Reset()
		unused.Put(b)
	}
}
