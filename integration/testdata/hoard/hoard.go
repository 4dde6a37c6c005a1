// Hoard has a state of any size: records of about a hundred bytes each.
//
//	GET  /hoard           adds one to a count and answers it
//	POST /hoard?fill=N    keeps N records, and answers as below
//	GET  /hoard/records   answers how many records there are, and a sum over all they hold
package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type record struct {
	Seq  int
	Text string
}

type state struct {
	Count   int
	Records map[string]record
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: keep.Prototype[state]("hoard", 1),
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &hoard{Of: keep.New("hoard", 1, &state{Records: map[string]record{}})}, nil
	},
}

type hoard struct {
	keep.Of[state]
	mu sync.Mutex
}

func (h *hoard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.State()
	switch {
	case r.Method == http.MethodPost:
		n, _ := strconv.Atoi(r.URL.Query().Get("fill"))
		for i := range n {
			s.Records[fmt.Sprintf("record-%09d", i)] = record{Seq: i, Text: strings.Repeat(strconv.Itoa(i%10), 72)}
		}
		fmt.Fprintln(w, s.sum())
	case strings.HasSuffix(r.URL.Path, "/records"):
		fmt.Fprintln(w, s.sum())
	default:
		s.Count++
		fmt.Fprintln(w, s.Count)
	}
}

// sum doesn't depend on the map's order.
func (s *state) sum() string {
	var sum uint64
	for key, r := range s.Records {
		h := fnv.New64a()
		fmt.Fprint(h, key, r.Seq, r.Text)
		sum += h.Sum64()
	}
	return fmt.Sprintf("%d %016x", len(s.Records), sum)
}

func main() {}
