package main

import (
	"context"
	"fmt"

	"example.com/shop/contract"
	"github.com/sohost/sohost/abi"
)

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return flat{}, nil },
}

type flat struct{}

func (flat) Price(order contract.Order) (int, error) {
	if order.Item != "apple" {
		return 0, fmt.Errorf("%w: %s", contract.ErrUnknown, order.Item)
	}
	return 100*contract.Sold + len(order.Notes.Value), nil
}

func main() {}
