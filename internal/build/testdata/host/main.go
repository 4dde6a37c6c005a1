package main

import (
	"context"
	"fmt"
	"os"
	"plugin"
	"strconv"

	"example.com/app/sub"
	"github.com/sohost/sohost/abi"
	"gopkg.in/yaml.v3"
)

func main() {
	// The host has packages that plugins have as well, in other versions.
	if _, err := yaml.Marshal(sub.Name()); err != nil {
		panic(err)
	}
	var opened []abi.Instance
	for _, arg := range os.Args[1:] {
		n, err := strconv.Atoi(arg)
		if err != nil {
			n = len(opened)
			opened = append(opened, open(arg))
		}
		fmt.Println(opened[n])
	}
}

func open(file string) abi.Instance {
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
	return instance
}
