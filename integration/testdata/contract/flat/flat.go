// Flat is a plugin of the program in ../pricing: every order costs what its items cost, and a flat charge.
package main

import (
	"context"

	"example.com/pricing/contract"
	"github.com/sohost/sohost/abi"
)

const charge = 100

// Plugin makes pricers.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		return &pricer{host.Services().(contract.Services)}, nil
	},
}

type pricer struct{ services contract.Services }

func (p *pricer) Price(_ context.Context, order contract.Order) (contract.Price, error) {
	price := contract.Price{Order: order.ID, Cents: charge}
	for _, item := range order.Items {
		cents, err := p.services.Cents(item)
		if err != nil {
			return contract.Price{}, err
		}
		price.Cents += cents
	}
	return price, nil
}

func main() {}
