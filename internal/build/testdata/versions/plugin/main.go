package main

import (
	"context"
	"fmt"

	"example.com/app/plugin/own"
	"example.com/app/sub"
	"example.com/lib"
	"github.com/sohost/sohost/abi"
	"gopkg.in/yaml.v3"
)

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return instance{}, nil },
}

type instance struct{}

func (instance) String() string {
	return fmt.Sprintf("%s sub=%s yaml=%s own=%d lib=%d", "first", sub.Name(), flaw(), own.Count(), lib.Count())
}

// flaw tells the versions of yaml apart.
func flaw() (found string) {
	defer func() {
		if recover() != nil {
			found = "v3.0.0"
		}
	}()
	var v any
	yaml.Unmarshal([]byte("#\n-\n{"), &v)
	return "v3.0.1"
}

func main() {}
