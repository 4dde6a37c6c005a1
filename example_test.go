package sohost_test

import (
	"context"
	"log"
	"net/http"

	"github.com/sohost/sohost"
)

// This server loads build/plugins/counter.so, and reloads it whenever the file changes.
func Example() {
	ctx := context.Background()
	host, err := sohost.New(ctx, sohost.Options{Store: "store", Plugins: []sohost.Plugin{
		{Name: "counter", Image: "build/plugins/counter.so", Mode: sohost.Dev, Routes: []string{"/counter"}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close(ctx)
	log.Print(http.ListenAndServe("127.0.0.1:8181", host))
}

// Several plugins change together or not at all. If one doesn't fit, the error has every reason.
func ExampleHost_Deploy() {
	var host *sohost.Host // from New
	reload, err := host.Deploy(context.Background(), map[string]string{"parser": "parser.so", "index": "index.so"})
	if err != nil {
		log.Fatal(err) // both serve what they served before
	}
	for _, move := range reload.Moves {
		log.Printf("%s serves %s after %v", move.Plugin, move.To.Short(), move.Phases.Total())
	}
}
