// Catalog has no state: calls that run when it is reloaded finish in the old code.
package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sohost/sohost/abi"
)

const version = "v1"

var Plugin = abi.Descriptor{
	ABI: abi.Version, Version: version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if d, err := time.ParseDuration(r.URL.Query().Get("for")); err == nil {
				select {
				case <-time.After(d):
				case <-r.Context().Done():
				}
			}
			fmt.Fprintln(w, version)
		}), nil
	},
}

func main() {}
