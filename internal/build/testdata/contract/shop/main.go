// A program that calls its plugins by an interface of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"plugin"

	"example.com/shop/contract"
	"github.com/sohost/sohost/abi"
	"gopkg.in/yaml.v3"
)

var SohostContracts = []string{"example.com/shop/contract"}

func main() {
	for _, file := range os.Args[1:] {
		contract.Sold++
		fmt.Println(len(SohostContracts), price(file))
	}
}

func price(file string) any {
	p, err := plugin.Open(file)
	if err != nil {
		return err
	}
	symbol, err := p.Lookup(abi.Symbol)
	if err != nil {
		return err
	}
	instance, err := symbol.(*abi.Descriptor).New(context.Background(), nil)
	if err != nil {
		return err
	}
	pricer, ok := instance.(contract.Pricer)
	if !ok {
		return fmt.Sprintf("%T is no contract.Pricer", instance)
	}
	price, err := pricer.Price(contract.Order{Item: "apple", Notes: &yaml.Node{Value: "ripe"}})
	_, unknown := pricer.Price(contract.Order{Item: "plum"})
	return fmt.Sprint(price, err, errors.Is(unknown, contract.ErrUnknown))
}
