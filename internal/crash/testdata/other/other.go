// Command other is a plugin that stands by.
package main

import (
	"github.com/sohost/sohost/abi"
	shared "github.com/sohost/sohost/internal/crash/testdata/shared.v2"
)

// Plugin is what the build asks for; nothing here makes an instance.
var Plugin = abi.Descriptor{ABI: abi.Version}

// Crash panics.
func Crash(command, arg string) { shared.Call(func() { panic(command) }) }

func main() {}
