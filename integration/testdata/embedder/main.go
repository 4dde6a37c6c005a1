// A server of somebody else's that embeds sohost.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/sohost/sohost"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(store, image string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	host, err := sohost.New(ctx, sohost.Options{
		Store:   store,
		Plugins: []sohost.Plugin{{Name: "counter", Image: image, Mode: sohost.Dev, Routes: []string{"/counter"}}},
		Logger:  slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	defer host.Close(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: host}
	go server.Serve(listener)
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("serving", "url", "http://"+listener.Addr().String())
	<-ctx.Done()
	return server.Shutdown(context.Background())
}
