package lineprotocol

import "unsafe"

// texts makes copies of texts. Many share an allocation, which is written only once and so never changes under a string.
type texts struct{ chunk []byte }

// copied returns a copy of a text. If there is no room for it, that for size bytes is made.
func (t *texts) copied(b []byte, size int) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > cap(t.chunk)-len(t.chunk) {
		t.chunk = make([]byte, 0, max(size, len(b)))
	}
	begin := len(t.chunk)
	t.chunk = append(t.chunk, b...)
	return unsafe.String(&t.chunk[begin], len(b))
}
