package state

import "unsafe"

// pending is an object whose content is still to be written.
type pending struct {
	shape *shape
	p     unsafe.Pointer
	n     int
}

// queue is a first-in, first-out queue of objects that releases its memory as it is emptied.
type queue struct {
	chunks [][]pending
	next   int // in the first chunk
}

const queueChunk = 1024

func (q *queue) push(o pending) {
	last := len(q.chunks) - 1
	switch {
	case last < 0: // many states have few objects
		q.chunks = append(q.chunks, []pending{o})
	case len(q.chunks[last]) < queueChunk:
		q.chunks[last] = append(q.chunks[last], o)
	default:
		q.chunks = append(q.chunks, append(make([]pending, 0, queueChunk), o))
	}
}

func (q *queue) pop() (o pending, ok bool) {
	if len(q.chunks) == 0 || q.next == len(q.chunks[0]) {
		return o, false
	}
	o = q.chunks[0][q.next]
	if q.next++; q.next == queueChunk {
		q.chunks[0], q.chunks, q.next = nil, q.chunks[1:], 0
	}
	return o, true
}
