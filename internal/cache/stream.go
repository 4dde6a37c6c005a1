package cache

import (
	"bufio"
	"encoding/gob"
	"errors"
	"io"
)

// named is a value of one of several caches in a stream.
type named struct {
	Cache string
	Value
}

// Encode writes what is in the caches as a stream that Decode reads. What is put into them meanwhile may be missing. It writes
// nothing if they are empty.
func Encode(w io.Writer, caches map[string]*Cache) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	e := gob.NewEncoder(buffered)
	for name, c := range caches {
		for v := range c.All() {
			if err := e.Encode(named{name, v}); err != nil {
				return err
			}
		}
	}
	return buffered.Flush()
}

// Decode puts the values of a stream into the caches of their names. Values of other caches are left out, and so are those
// that are too large for a cache whose limit is lower now. The error says why the rest of the stream can't be read; r is
// read to its end all the same, so that the writer is not held up.
func Decode(r io.Reader, caches map[string]*Cache) error {
	d := gob.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	for {
		var v named
		if err := d.Decode(&v); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			io.Copy(io.Discard, r)
			return err
		}
		if c := caches[v.Cache]; c != nil {
			c.Put(v.Key, v.Bytes, v.TTL)
		}
	}
}
