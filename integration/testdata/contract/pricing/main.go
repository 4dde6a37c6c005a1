// Pricing answers what orders cost. How prices are made is up to a plugin, which is replaced while it serves:
//
//	pricing STORE PLUGIN.so
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"example.com/pricing/contract"
	"github.com/google/uuid"
	"github.com/sohost/sohost"
)

// SohostContracts names the packages that the plugins share with this program. `sohost build --host` reads it from the program's
// file.
var SohostContracts = []string{"example.com/pricing/contract"}

// prices is what the program offers to its plugins.
type prices map[string]int64

func (p prices) Cents(item string) (int64, error) {
	if cents, ok := p[item]; ok {
		return cents, nil
	}
	return 0, fmt.Errorf("%w: %s", contract.ErrUnknown, item)
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(store, image string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	host, err := sohost.New(ctx, sohost.Options{
		Store:     store,
		Plugins:   []sohost.Plugin{{Name: "pricer", Image: image, Mode: sohost.Dev}},
		Contracts: SohostContracts,
		Require:   sohost.Implements[contract.Pricer],
		Services:  func(string) any { return prices{"apple": 30, "pear": 45} },
		Logger:    log,
	})
	if err != nil {
		return err
	}
	defer host.Close(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(host)}
	go server.Serve(listener)
	log.Info("serving", "url", "http://"+listener.Addr().String())
	<-ctx.Done()
	return server.Shutdown(context.Background())
}

// handler answers what the items of a request cost.
func handler(host *sohost.Host) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		order := contract.Order{ID: uuid.New(), Items: r.URL.Query()["item"]}
		var price contract.Price
		err := sohost.Call(r.Context(), host, "pricer", func(p contract.Pricer) (err error) {
			price, err = p.Price(r.Context(), order)
			return err
		})
		switch {
		case errors.Is(err, contract.ErrUnknown):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case price.Order != order.ID:
			http.Error(w, "the price of another order", http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, price.Cents)
		}
	}
}
