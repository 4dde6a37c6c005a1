// A plugin without the symbol that hosts look for.
package main

import "github.com/sohost/sohost/abi"

// Pluggin is a slip.
var Pluggin = abi.Descriptor{ABI: abi.Version}

func main() {}
