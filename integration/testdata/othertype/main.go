// A plugin whose symbol is of another type than hosts want.
package main

import "github.com/sohost/sohost/abi"

// Plugin should be a Descriptor, not a pointer to one.
var Plugin = &abi.Descriptor{ABI: abi.Version}

func main() {}
