// Gauge publishes a variable by package expvar, which takes a name once in a process.
package main

import (
	"context"
	"expvar"
	"fmt"
	"net/http"

	"github.com/sohost/sohost/abi"
)

const answer = "one"

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		requests := expvar.NewInt("gauge.requests")
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			fmt.Fprintln(w, answer)
		}), nil
	},
}

func main() {}
