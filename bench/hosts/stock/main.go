// Stock reloads plugins as libraries on top of plugin.Open do: it reads the file, opens a copy of its own, which is named after the
// content, and swaps a pointer.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"plugin"
	"sync/atomic"

	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/bench/work"
)

func main() { lane.Main(open) }

func open() (*lane.Host, error) {
	var current atomic.Pointer[work.Counter]
	copies, err := os.MkdirTemp("", "stock")
	if err != nil {
		return nil, err
	}
	load := func(file string) (func(), error) {
		image, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		own := filepath.Join(copies, fmt.Sprintf("%x.so", sha256.Sum256(image)))
		if err := os.WriteFile(own, image, 0o644); err != nil {
			return nil, err
		}
		p, err := plugin.Open(own)
		if err != nil {
			return nil, err
		}
		symbol, err := p.Lookup("Counter")
		if err != nil {
			return nil, err
		}
		counter, ok := symbol.(work.Counter)
		if !ok {
			return nil, fmt.Errorf("the symbol Counter is a %T", symbol)
		}
		current.Store(&counter)
		return nil, nil
	}
	h := lane.Of(load, &current)
	h.Close = func() { os.RemoveAll(copies) }
	return h, nil
}
