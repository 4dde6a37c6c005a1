// Listener has a port of its own, at $LISTENER, and answers requests with what it gets from there. So each answer shows that the instance
// that the server calls is the one that has the port.
package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:       abi.Version,
	Exclusive: true,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		return &listener{host: host}, nil
	},
}

type listener struct {
	host   abi.Host
	server *http.Server
}

func (l *listener) Start(context.Context) error {
	port, err := net.Listen("tcp", os.Getenv("LISTENER"))
	if err != nil {
		return err
	}
	l.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, l.host.Generation())
	})}
	l.server.SetKeepAlivesEnabled(false)
	go l.server.Serve(port) // until Stop
	return nil
}

func (l *listener) Stop(ctx context.Context) error { return l.server.Shutdown(ctx) }

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := http.Get("http://" + os.Getenv("LISTENER"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	generation, err := io.ReadAll(answer.Body)
	if err == nil && string(generation) != l.host.Generation() {
		err = errors.New("generation " + string(generation) + " has the port, and " + l.host.Generation() + " is called")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Write(generation)
}

func main() {}
