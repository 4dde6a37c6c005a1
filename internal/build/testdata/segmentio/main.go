package main

import (
	"context"
	"fmt"

	"github.com/segmentio/asm/ascii"
	"github.com/segmentio/encoding/json"
	"github.com/sohost/sohost/abi"
)

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		text, err := json.Marshal(map[string]string{"first": "äö"})
		if err != nil {
			return nil, err
		}
		return fmt.Sprintf("%s %t", text, ascii.EqualFoldString("some ASCII text that is longer than a register", "SOME ascii TEXT that is LONGER than a register")), nil
	},
}

func main() {}
