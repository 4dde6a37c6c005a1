// A plugin from another module, with its own version of a library that the server uses too.
package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/pelletier/go-toml/v2"
	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var doc struct{ Answer int }
			if err := toml.Unmarshal([]byte("answer = 42"), &doc); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, doc.Answer)
		}), nil
	},
}

func main() {}
