// A plugin for a version of the contract that this host doesn't have.
package main

import (
	"context"

	"github.com/sohost/sohost/abi"
)

// Plugin is from the future.
var Plugin = abi.Descriptor{
	ABI: abi.Version + 1,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return nil, nil },
}

func main() {}
