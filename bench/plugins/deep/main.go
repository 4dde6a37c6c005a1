// Deep is a plugin whose panics have a stack.
package main

import (
	"context"
	"net/http"

	"github.com/sohost/sohost/abi"
)

// dive panics that many calls further down.
//
//go:noinline
func dive(depth int) int {
	if depth == 0 {
		panic("at the bottom")
	}
	return dive(depth-1) + 1
}

// Plugin is what the host looks for. Its instances are of no type of its own: images that are made without building have these in
// common, with the first one's methods.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { dive(10) }), nil
	},
}

func main() {}
