// Package contract is what the program and its plugins have in common. It is the program's in every plugin.
package contract

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// ErrUnknown is returned for an item that has no price.
var ErrUnknown = errors.New("unknown item")

// Order is what a customer wants.
type Order struct {
	ID    uuid.UUID
	Items []string
}

// Price is what an order costs.
type Price struct {
	Order uuid.UUID
	Cents int64
}

// Pricer is what a plugin has to be.
type Pricer interface {
	Price(ctx context.Context, order Order) (Price, error)
}

// Services is what the program offers to its plugins, through abi.Host.Services.
type Services interface {
	// Cents returns the price of an item in the program's list, or ErrUnknown.
	Cents(item string) (int64, error)
}
