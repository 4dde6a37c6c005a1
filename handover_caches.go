package sohost

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"io"
	"os"

	"github.com/sohost/sohost/internal/cache"
)

// cached is a value of a cache on its way to another process.
type cached struct {
	Plugin string // empty: the shared cache
	cache.Value
}

// caches are the caches by the names of their plugins; the shared one's is empty.
func (h *Host) caches() map[string]*cache.Cache {
	all := map[string]*cache.Cache{"": h.shared}
	for name, p := range h.index.Load().names {
		all[name] = p.cache
	}
	return all
}

// sendCaches sends what is in the caches. What is put into them by calls that run meanwhile stays behind.
func (g *giving) sendCaches(ctx context.Context) error {
	caches := g.host.caches()
	entries := 0
	for _, c := range caches {
		entries += c.Stats().Entries
	}
	if entries == 0 {
		return nil
	}
	return g.stream(ctx, word{Caches: true}, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 64<<10)
		e := gob.NewEncoder(buffered)
		for name, c := range caches {
			for v := range c.All() {
				if err := e.Encode(cached{name, v}); err != nil {
					return err
				}
			}
		}
		return buffered.Flush()
	})
}

// loadCaches fills the caches. A cache may lose values: what can't be read is left out.
func (h *Host) loadCaches(pipe *os.File) {
	defer pipe.Close()
	caches := h.caches()
	d := gob.NewDecoder(bufio.NewReaderSize(pipe, 64<<10))
	for {
		var v cached
		if err := d.Decode(&v); err != nil {
			if !errors.Is(err, io.EOF) {
				h.log.Warn("caches of the process before: the rest is lost", "err", err)
				io.Copy(io.Discard, pipe) // the giver is not to fail for it
			}
			return
		}
		if c := caches[v.Plugin]; c != nil {
			c.Put(v.Key, v.Bytes, v.TTL) // too large where the limit is lower now
		}
	}
}
