package state

import "hash/crc32"

// str reads text or bytes.
func (r *reader) str() []byte {
	major, info, n := r.head()
	if r.err == nil && (major != majorText && major != majorBytes || info == indefinite) {
		r.corrupt("not a string")
	}
	return r.long(n)
}

// long reads n bytes of text or bytes, whose head was read.
func (r *reader) long(n uint64) []byte {
	if !r.elements(n) || !r.charge(int64(n), 1) {
		return nil
	}
	// The slice grows as the bytes arrive, so that a truncated stream doesn't cost as much as it claims to hold.
	out := make([]byte, 0, min(n, uint64(len(r.buf))))
	for uint64(len(out)) < n {
		k := int(min(n-uint64(len(out)), uint64(len(r.buf))))
		if !r.need(k) {
			return nil
		}
		out = append(out, r.buf[r.pos:r.pos+k]...)
		r.pos += k
	}
	return out
}

// discard skips text or bytes.
func (r *reader) discard() {
	major, info, n := r.head()
	if r.err == nil && (major != majorText && major != majorBytes || info == indefinite) {
		r.corrupt("not a string")
	}
	r.pass(n)
}

// pass skips n bytes.
func (r *reader) pass(n uint64) {
	for n > 0 {
		k := int(min(n, uint64(len(r.buf))))
		if !r.need(k) {
			return
		}
		r.pos += k
		n -= uint64(k)
	}
}

// into fills dst from a byte string of the same length.
func (r *reader) into(dst []byte) {
	if n := r.expect(majorBytes); r.err == nil && n != uint64(len(dst)) {
		r.corrupt("%d bytes instead of %d", n, len(dst))
	}
	r.copy(dst)
}

// copy fills dst. What is longer than the buffer is read past it.
func (r *reader) copy(dst []byte) {
	for len(dst) > 0 && r.err == nil {
		if r.pos == r.end && len(dst) >= len(r.buf) {
			r.compact()
			k := r.read(dst)
			r.crc = crc32.Update(r.crc, castagnoli(), dst[:k])
			dst = dst[k:]
			continue
		}
		k := min(len(dst), max(r.end-r.pos, 1))
		if !r.need(k) {
			return
		}
		copy(dst, r.buf[r.pos:r.pos+k])
		r.pos += k
		dst = dst[k:]
	}
}
