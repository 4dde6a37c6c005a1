// Ccrasher has a fault in C, or aborts there, when it is asked to (argument "do" of a request).
package main

// #include <stdlib.h>
// static void fault(void) { *(volatile int *)8 = 1; }
import "C"

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return http.HandlerFunc(serve), nil },
}

func serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("do") {
	case "fault":
		C.fault()
	case "abort":
		C.abort()
	}
	fmt.Fprintln(w, "unharmed")
}

func main() {}
