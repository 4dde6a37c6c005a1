package contract

import (
	"errors"

	"gopkg.in/yaml.v3"
)

var ErrUnknown = errors.New("unknown item")

// Sold counts what was sold.
var Sold int

type Order struct {
	Item  string
	Notes *yaml.Node
}

type Pricer interface {
	Price(Order) (int, error)
}
