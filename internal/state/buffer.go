package state

import "sync"

// bufferSize is the size of a reader's or a writer's buffer, in bytes.
const bufferSize = 64 << 10

// buffer is the buffer of a reader or a writer. Many states are small, or are what has changed of a large one while callers wait: then
// to touch the memory of a new buffer would take longer than all else.
type buffer = [bufferSize]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

// giveBack lets others use a buffer. Its owner must not, and has kept no part of it.
func giveBack(b *buffer) { buffers.Put(b) }
