// Sohost reloads plugins with this project: with a store, all checks, and a probe.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/bench/work"
	_ "github.com/sohost/sohost/native/std"
)

func main() { lane.Main(open) }

func open() (*lane.Host, error) {
	store, err := os.MkdirTemp("", "sohost")
	if err != nil {
		return nil, err
	}
	h := &host{ctx: context.Background(), store: store}
	return &lane.Host{Load: h.load, Version: h.version, Next: h.next, Nexts: h.nexts, Counts: h.counts, Close: h.close}, nil
}

type host struct {
	ctx     context.Context
	store   string
	host    *sohost.Host
	counter *sohost.Handle[work.Counter]
}

func (h *host) load(file string) (after func(), err error) {
	if h.host != nil {
		_, err := h.host.Deploy(h.ctx, map[string]string{"counter": file})
		return nil, err
	}
	h.host, err = sohost.New(h.ctx, sohost.Options{
		Store:   h.store,
		Plugins: []sohost.Plugin{{Name: "counter", Image: file}},
		Require: sohost.Implements[work.Counter],
		// However busy the machine is, that is no result.
		OpenTimeout: 10 * time.Minute,
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	h.counter, err = sohost.Lookup[work.Counter](h.host, "counter")
	return nil, err
}

func (h *host) version() (version int) {
	lease, err := h.counter.Acquire(h.ctx)
	if err != nil {
		return -1
	}
	defer lease.Release()
	return lease.Value().Version()
}

func (h *host) next(n int) int {
	lease, err := h.counter.Acquire(h.ctx)
	if err != nil {
		return -1
	}
	defer lease.Release()
	return lease.Value().Next(n)
}

func (h *host) nexts(n int) (sum int) {
	for i := range n {
		lease, err := h.counter.Acquire(h.ctx)
		if err != nil {
			return -1
		}
		sum += lease.Value().Next(i)
		lease.Release()
	}
	return sum
}

func (h *host) counts(n int) (sum int) {
	for range n {
		lease, err := h.counter.Acquire(h.ctx)
		if err != nil {
			return -1
		}
		sum += lease.Value().Count(lane.Text)
		lease.Release()
	}
	return sum
}

func (h *host) close() {
	if h.host != nil {
		h.host.Close(h.ctx)
	}
	os.RemoveAll(h.store)
}
