package sohost

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

// holder is the state of plugin v: whether it can be written depends on its value.
type holder struct{ Value any }

// holding is an instance of plugin v.
type holding struct {
	*basic
	holder *holder
}

func (h *holding) Export(ctx context.Context) (abi.State, error) {
	err := h.w.did(ctx, "%s Export", h.image)
	return abi.State{Schema: "holder", Version: 1, Value: h.holder}, err
}

func (h *holding) Import(ctx context.Context, s abi.State) error {
	h.holder = s.Value.(*holder)
	return h.w.did(ctx, "%s Import %v", h.image, h.holder.Value)
}

// holding returns the instance of plugin v that serves.
func (r *rig) holding() (h *holding) {
	r.w.t.Helper()
	if err := r.Call(context.Background(), "v", func(i abi.Instance) error { h = i.(*holding); return nil }); err != nil {
		r.w.t.Fatal(err)
	}
	return h
}

// hold makes plugin v hold a value.
func (r *rig) hold(value any) {
	r.w.t.Helper()
	r.holding().holder.Value = value
}

// holds returns what plugin v holds.
func (r *rig) holds() string {
	r.w.t.Helper()
	return fmt.Sprint(r.holding().holder.Value)
}

// keeping is the state of plugin k, which no call has to return for.
type keeping struct{ Hits keep.Map[string, int] }

// keeper is an instance of plugin k.
type keeper struct {
	*basic
	keep.Of[keeping]
}

// hoarding is the state of plugin h.
type hoarding struct {
	Hits   map[string]int
	Visits map[string]*visits // the same
	Calls  int
}

type visits struct {
	mu sync.Mutex
	n  []int
}

func (s *hoarding) hit(key string, n int) {
	if s.Hits[key] += n; s.Visits[key] == nil {
		s.Visits[key] = &visits{n: []int{0}}
	}
	v := s.Visits[key]
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n[0] += n
}

func (s *hoarding) remove(key string) {
	delete(s.Hits, key)
	delete(s.Visits, key)
}

// is reports whether the state has these hits.
func (s *hoarding) is(want map[string]int) bool {
	for key, v := range s.Visits {
		if len(v.n) != 1 || v.n[0] != want[key] {
			return false
		}
	}
	return maps.Equal(s.Hits, want) && len(s.Visits) == len(want)
}

// hoarder is an instance of plugin h. It has no background work.
type hoarder struct {
	keep.Of[hoarding]
	http.Handler
	host abi.Host
	mu   sync.Mutex // guards the state
}

// hoard lends the state of plugin h to a function.
func (r *rig) hoard(do func(s *hoarding, host abi.Host)) error {
	return r.Call(r.w.t.Context(), "h", func(i abi.Instance) error {
		h := i.(*hoarder)
		h.mu.Lock()
		defer h.mu.Unlock()
		do(h.State(), h.host)
		return nil
	})
}
