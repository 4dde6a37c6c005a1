// Wordfreq counts the words that it is sent and reports the most frequent ones.
//
//	POST /wordfreq          counts the words in the body
//	GET  /wordfreq?top=3    returns the most frequent words, as YAML
//
// It shows what a plugin may be made of: its own package (count) and a dependency (yaml.v3). Both may change between two
// generations, and the dependency may be upgraded or downgraded, whatever version the server itself uses. It also shows that
// state needs no code: package keep moves the struct, whatever its size, and without a copy as long as its layout stays the same.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/plugins/wordfreq/count"
	"gopkg.in/yaml.v3"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &wordfreq{Of: keep.New(schema, version, &state{Freq: map[string]int{}})}, nil
	},
	State: keep.Prototype[state](schema, version),
}

const (
	schema   = "wordfreq"
	version  = 1
	maxText  = 1 << 20
	maxWords = 10
)

// state is what the next generation gets.
type state struct {
	Freq map[string]int
}

// Without this, an embedded type that hides Export or Import would not be a compile error, but code without state.
var _ abi.Stateful = (*wordfreq)(nil)

type wordfreq struct {
	keep.Of[state]
	mu sync.Mutex // guards the state
}

func (f *wordfreq) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		f.add(w, r)
	case http.MethodGet:
		f.top(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET the words or POST a text", http.StatusMethodNotAllowed)
	}
}

func (f *wordfreq) add(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxText))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	f.mu.Lock()
	n := count.Add(f.State().Freq, string(text))
	f.mu.Unlock()
	fmt.Fprintln(w, n)
}

func (f *wordfreq) top(w http.ResponseWriter, r *http.Request) {
	n := maxWords
	if s := r.URL.Query().Get("top"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			http.Error(w, fmt.Sprintf("top=%s: want a positive number", s), http.StatusBadRequest)
			return
		}
	}
	f.mu.Lock()
	words := count.Top(f.State().Freq, n)
	f.mu.Unlock()
	out, err := yaml.Marshal(words)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(out)
}

func main() {}
