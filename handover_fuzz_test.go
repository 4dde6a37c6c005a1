package sohost

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
)

// FuzzTake takes over from a giver that sends any two messages and is gone. The taker ends with an error, and serves nothing.
func FuzzTake(f *testing.F) {
	entry := planEntry{Plugin: Plugin{Name: "a", Image: "/a.so", Routes: []string{"/a"}}, Last: &Move{}, Refused: &Refusal{}}
	served := entry
	served.Next.Image = generations.ID{1}
	for _, m := range []message{
		{Plan: &plan{Format: planFormat}}, {Plan: &plan{Format: planFormat, Plugins: []planEntry{entry}}},
		{Plan: &plan{Format: planFormat, Plugins: []planEntry{served, served}}}, {Plan: &plan{}}, {Yours: true},
	} {
		for _, next := range []message{{States: true}, {State: "a"}, {Yours: true}} {
			first, err := json.Marshal(m)
			if err != nil {
				f.Fatal(err)
			}
			second, err := json.Marshal(next)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(first, second)
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if !json.Valid(first) || !json.Valid(second) { // passing sends only what is
			return
		}
		w := newWorld(t)
		lock, err := generations.AcquireLock(t.Context(), w.store)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		o := w.options()
		o.Process = &Process{Lock: lock}
		mine, theirs, err := passing.Pair()
		if err != nil {
			t.Fatal(err)
		}
		giver, err := passing.New(mine)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			giver.Send(json.RawMessage(first))
			giver.Send(json.RawMessage(second))
			giver.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if h, err := takeHost(ctx, o, theirs, w.loader()); err == nil {
			h.Close(t.Context())
			t.Error("it has taken over without a commit")
		}
		if ctx.Err() != nil {
			t.Error("the taker hangs")
		}
	})
}
