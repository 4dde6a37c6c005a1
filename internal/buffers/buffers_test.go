package buffers

import "testing"

// TestKept checks that a buffer is empty whoever had it before, and that a large one isn't held for ever.
func TestKept(t *testing.T) {
	for _, size := range []int{10, kept + 1, 10, kept + 1} {
		b := Get()
		if b.Len() > 0 || b.Cap() > kept {
			t.Errorf("a buffer has %d bytes, and room for %d", b.Len(), b.Cap())
		}
		b.Write(make([]byte, size))
		Put(b)
	}
}
