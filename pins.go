package sohost

import (
	"sync"

	"github.com/sohost/sohost/generations"
)

// pins counts the running deploys that need an image which no release names yet, so that no prune takes it from them.
type pins struct {
	mu    sync.Mutex // guards count; held for the whole of a prune
	count map[generations.ID]int
	adds  sync.RWMutex // held for reading from before an image is stored until it is pinned
}

// add stores an image and pins it, with no prune in between.
func (p *pins) add(store func() (generations.Object, error)) (generations.Object, error) {
	p.adds.RLock()
	defer p.adds.RUnlock()
	o, err := store()
	if err == nil {
		p.pin(o.ID)
	}
	return o, err
}

func (p *pins) pin(id generations.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[generations.ID]int{}
	}
	p.count[id]++
}

// unpin takes one pin back.
func (p *pins) unpin(id generations.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[id]--; p.count[id] == 0 {
		delete(p.count, id)
	}
}

// exclude runs a prune while no image is being stored.
func (p *pins) exclude(prune func(pinned func(generations.ID) bool)) {
	p.adds.Lock()
	defer p.adds.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	prune(func(id generations.ID) bool { return p.count[id] > 0 })
}
