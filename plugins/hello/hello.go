// Hello is the smallest plugin: one function that answers requests.
//
// An instance can be any value that handles something, so an http.HandlerFunc is enough. Change greeting, run `make plugins` and
// send another request: it gets the new text.
package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sohost/sohost/abi"
)

const greeting = "hello"

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s from generation %s\n", greeting, host.Generation())
		}), nil
	},
}

func main() {}
