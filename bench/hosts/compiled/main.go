// Compiled is a server that has the handler of the plugin hello compiled in, and the time limits of `sohost run`. It logs where it serves,
// as that does.
package main

import (
	"fmt"
	"log/slog"
	"net"
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
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		log.Info("serving", "url", "http://"+l.Addr().String())
		server := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 3 * time.Minute}
		err = server.Serve(l)
	}
	log.Error("the server ended", "err", err)
	os.Exit(1)
}
