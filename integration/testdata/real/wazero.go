package main

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
)

// program exports twice(i32) i32, which calls the imported host.log with the result.
var program = []byte{
	0x00, 'a', 's', 'm', 0x01, 0x00, 0x00, 0x00,
	0x01, 0x0a, 0x02, 0x60, 0x01, 0x7f, 0x00, 0x60, 0x01, 0x7f, 0x01, 0x7f, // types: (i32), (i32) i32
	0x02, 0x0c, 0x01, 0x04, 'h', 'o', 's', 't', 0x03, 'l', 'o', 'g', 0x00, 0x00, // imports
	0x03, 0x02, 0x01, 0x01, // functions
	0x07, 0x09, 0x01, 0x05, 't', 'w', 'i', 'c', 'e', 0x00, 0x01, // exports
	0x0a, 0x11, 0x01, 0x0f, 0x00, // code: one function without locals
	0x20, 0x00, 0x41, 0x02, 0x6c, 0x10, 0x00, // log(arg * 2)
	0x20, 0x00, 0x20, 0x00, 0x6a, 0x0f, 0x0b, // return arg + arg
}

func exercise(ctx context.Context) (string, error) {
	text := ""
	for _, config := range []wazero.RuntimeConfig{wazero.NewRuntimeConfig(), wazero.NewRuntimeConfigInterpreter()} {
		answer, err := run(ctx, config)
		if err != nil {
			return "", err
		}
		text += answer + "; "
	}
	return text, nil
}

func run(ctx context.Context, config wazero.RuntimeConfig) (string, error) {
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	var logged []uint32
	host := r.NewHostModuleBuilder("host")
	host.NewFunctionBuilder().WithFunc(func(n uint32) { logged = append(logged, n) }).Export("log")
	if _, err := host.Instantiate(ctx); err != nil {
		return "", err
	}
	m, err := r.Instantiate(ctx, program)
	if err != nil {
		return "", err
	}
	for i := range uint64(3) {
		if _, err := m.ExportedFunction("twice").Call(ctx, i); err != nil {
			return "", err
		}
	}
	results, err := m.ExportedFunction("twice").Call(ctx, 21)
	return fmt.Sprint(results, logged), err
}
