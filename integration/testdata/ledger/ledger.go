// Ledger keeps an entry of its own type for each key.
//
//	POST /ledger/KEY     enters the key, or adds one to its hits
//	GET  /ledger/KEY     answers the hits
//	GET  /ledger?fill=N  enters N keys at once
//	GET  /ledger?keys    answers every key with its hits, a line each
//	GET  /ledger         answers how many keys there are, and the sum of all hits
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type entry struct {
	Hits int32
	Tags []string
	Next *entry
}

type state struct {
	ByKey map[string]*entry
	First *entry
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: keep.Prototype[state]("ledger", 1),
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &ledger{Of: keep.New("ledger", 1, &state{ByKey: map[string]*entry{}})}, nil
	},
}

type ledger struct {
	keep.Of[state]
	mu sync.Mutex
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, key := l.State(), strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/ledger"), "/")
	switch {
	case r.Method == http.MethodPost:
		l.enter(key)
		fmt.Fprintln(w, key)
	case key != "":
		e := s.ByKey[key]
		if e == nil {
			http.Error(w, "no such key", http.StatusNotFound)
			return
		}
		fmt.Fprintln(w, e.Hits)
	case r.URL.Query().Has("keys"):
		for key, e := range s.ByKey {
			fmt.Fprintln(w, key, e.Hits)
		}
	default:
		n, _ := strconv.Atoi(r.URL.Query().Get("fill"))
		for i := range n {
			l.enter("filled-" + strconv.Itoa(i))
		}
		sum := 0
		for _, e := range s.ByKey {
			sum += int(e.Hits)
		}
		fmt.Fprintln(w, len(s.ByKey), sum)
	}
}

func (l *ledger) enter(key string) {
	s := l.State()
	e := s.ByKey[key]
	if e == nil {
		e = &entry{Tags: []string{key}, Next: s.First}
		s.ByKey[key], s.First = e, e
	}
	e.Hits++
}

func main() {}
