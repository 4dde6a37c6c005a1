package keep_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type state struct {
	Hits map[string]int64
}

type counter struct {
	keep.Of[state]
	mu sync.Mutex
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.State()
	s.Hits[r.URL.Path]++
	fmt.Fprintln(w, s.Hits[r.URL.Path])
}

var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: keep.Prototype[state]("counter", 1),
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &counter{Of: keep.New("counter", 1, &state{Hits: map[string]int64{}})}, nil
	},
}

var (
	_ abi.Stateful = (*counter)(nil)
	_ abi.Adopter  = (*counter)(nil)
)

// A plugin counts requests and continues counting in the next generation.
func Example() {
	ctx := context.Background()
	call := func(i abi.Instance) {
		w := httptest.NewRecorder()
		i.(http.Handler).ServeHTTP(w, httptest.NewRequest("GET", "/a", nil))
		fmt.Print(w.Body)
	}

	first, _ := Plugin.New(ctx, nil)
	call(first)
	call(first)

	s, _ := first.(abi.Stateful).Export(ctx)
	second, _ := Plugin.New(ctx, nil)
	second.(abi.Adopter).Adopt(s.Value)
	call(second)

	// Output:
	// 1
	// 2
	// 3
}

func TestImport(t *testing.T) {
	ctx, good := context.Background(), &state{}
	for _, c := range []struct {
		s  abi.State
		ok bool
	}{
		{abi.State{Schema: "counter", Version: 1, Value: good}, true},
		{abi.State{Schema: "other", Version: 1, Value: good}, false},
		{abi.State{Schema: "counter", Version: 2, Value: good}, false},
		{abi.State{Schema: "counter", Version: 1, Value: *good}, false},
		{abi.State{Schema: "counter", Version: 1, Value: (*state)(nil)}, false},
		{abi.State{}, false},
	} {
		initial := &state{}
		k := keep.New("counter", 1, initial)
		err := k.Import(ctx, c.s)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.s, err)
		}
		if want := map[bool]*state{true: good, false: initial}[c.ok]; k.State() != want {
			t.Errorf("%+v: not the state it should have", c.s)
		}
	}
}
