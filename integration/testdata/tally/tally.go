// Tally counts by key, in a keep.Map.
//
//	POST /tally/KEY     adds one to the key's count
//	GET  /tally/KEY     answers the count
//	GET  /tally?fill=N  enters N keys
//	GET  /tally?hang    answers one line, and doesn't end until its client goes away
//	GET  /tally         answers how many keys there are, and the sum of all counts
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type entry struct {
	Count int64
	Name  string
	Pad   [64]byte
}

type state struct {
	ByKey keep.Map[string, entry]
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: keep.Prototype[state]("tally", 1),
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &tally{Of: keep.New("tally", 1, &state{})}, nil
	},
}

type tally struct{ keep.Of[state] }

func (t *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPost:
		t.add(key)
		fmt.Fprintln(w, key)
	case key != "":
		fmt.Fprintln(w, t.count(key))
	case r.URL.Query().Has("hang"):
		fmt.Fprintln(w, "hanging")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case r.URL.Query().Has("fill"):
		n, _ := strconv.Atoi(r.URL.Query().Get("fill"))
		for i := range n {
			t.add(strconv.Itoa(i))
		}
		fmt.Fprintln(w, n)
	default:
		keys, sum := t.all()
		fmt.Fprintln(w, keys, sum)
	}
}

func (t *tally) add(key string) {
	t.State().ByKey.Update(key, func(e entry, _ bool) entry {
		e.Count++
		e.Name = key
		return e
	})
}

func (t *tally) count(key string) int64 {
	e, _ := t.State().ByKey.Get(key)
	return e.Count
}

func (t *tally) all() (keys int, sum int64) {
	for _, e := range t.State().ByKey.All() {
		keys++
		sum += e.Count
	}
	return keys, sum
}

func main() {}
