// Scale doubles the field busy of all rows and emits them, on the server's side of the comparison of points. With the argument pass it
// emits them as they are.
package main

import (
	"context"
	"slices"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		return scale{host, host.Args()["pass"] != ""}, nil
	},
}

type scale struct {
	host abi.Host
	pass bool
}

// HandleBatch emits the doubled rows. The batch is shared, so it copies what it changes.
func (s scale) HandleBatch(ctx context.Context, b *abi.Batch) error {
	if s.pass {
		return s.host.Emit(ctx, b.Tables)
	}
	tables := slices.Clone(b.Tables)
	for i := range tables {
		t := &tables[i]
		t.Columns = slices.Clone(t.Columns)
		for j := range t.Columns {
			if c := &t.Columns[j]; c.Name == "busy" && c.Kind == abi.Float {
				c.Floats = slices.Clone(c.Floats)
				for k := range c.Floats {
					c.Floats[k] *= 2
				}
			}
		}
	}
	return s.host.Emit(ctx, tables)
}

func main() {}
