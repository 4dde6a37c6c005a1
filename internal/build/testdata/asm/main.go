package main

import (
	"context"
	"fmt"

	"asmplugin/v1.5"
	"github.com/cespare/xxhash/v2"
	"github.com/sohost/sohost/abi"
)

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return fmt.Sprintf("%x %d %d", xxhash.Sum64String("sohost"), asm.Answer(), asm.Level()), nil
	},
}

func main() {}
