// Meter counts how often it has handled each row, by the row's id, in its state. It looks at nothing else, so a row that comes twice
// is counted twice.
//
//	GET /meter   answers how many ids there are, and how many rows of them were handled in all
package main

import (
	"context"
	"fmt"
	"net/http"
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
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &meter{state: &state{Handled: map[int64]int64{}}}, nil
	},
}

type meter struct {
	mu    sync.Mutex
	state *state
}

func (m *meter) HandleBatch(_ context.Context, b *abi.Batch) error {
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
