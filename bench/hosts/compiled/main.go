// Compiled is a server that has the handler of the plugin hello compiled in, and the time limits of `sohost run`. Its argument is
// the address to serve on.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

const generation = "0123456789ab"

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from generation %s\n", "hello", generation)
	})
	server := &http.Server{Addr: os.Args[1], Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 3 * time.Minute}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
