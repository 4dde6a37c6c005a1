// Relay emits a row of table r for each row that it is called with, with the same id. It has no state.
package main

import (
	"context"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) { return &relay{host}, nil },
}

type relay struct{ host abi.Host }

func (r *relay) HandleBatch(ctx context.Context, b *abi.Batch) error {
	tables := make([]abi.Table, len(b.Tables))
	for i, t := range b.Tables {
		t.Name = "r"
		tables[i] = t
	}
	return r.host.Emit(ctx, tables)
}

func main() {}
