// Meter counts how often it has handled each row, by the row's id, in its state. It looks at nothing else, so a row that comes twice
// is counted twice.
//
//	GET /meter      answers how many ids there are, and how many rows of them were handled in all
//	GET /meter/go   lets it go on: with the argument slow it waits for that before it handles the first row
package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
)

type state struct {
	Handled map[int64]int64
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: abi.State{Schema: "meter", Version: 1, Value: &state{}},
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		m := &meter{state: &state{Handled: map[int64]int64{}}, goes: make(chan struct{})}
		if host.Args()["slow"] == "" {
			m.let()
		}
		return m, nil
	},
}

type meter struct {
	mu    sync.Mutex
	state *state
	goes  chan struct{}
	once  sync.Once
}

func (m *meter) let() { m.once.Do(func() { close(m.goes) }) }

func (m *meter) HandleBatch(ctx context.Context, b *abi.Batch) error {
	select {
	case <-m.goes:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range b.Tables {
		for j := range b.Tables[i].Columns {
			if c := &b.Tables[i].Columns[j]; c.Name == "id" {
				for _, id := range c.Ints {
					m.state.Handled[id]++
				}
			}
		}
	}
	return nil
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/go") {
		m.let()
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := int64(0)
	for _, n := range m.state.Handled {
		sum += n
	}
	fmt.Fprintln(w, len(m.state.Handled), sum)
}

func (m *meter) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: "meter", Version: 1, Value: m.state}, nil
}

func (m *meter) Import(_ context.Context, given abi.State) error {
	m.state = given.Value.(*state)
	return nil
}

func main() {}
