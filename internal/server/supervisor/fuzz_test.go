package supervisor

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/worker"
)

// FuzzLegacy reads what a program before may have left. What it reads it writes again as the same.
func FuzzLegacy(f *testing.F) {
	l := New(Options{Start: worker.Start{Options: sohost.Options{Store: "/s", Plugins: []sohost.Plugin{{Name: "a", Image: "/a.so"}}}}}).legacy()
	l.Draining = []childLegacy{{PID: 1, Started: time.Unix(1, 0), Link: 3}}
	whole, err := json.Marshal(l)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, text := range []string{"", "{}", `{"form":1}`, `{"form":2}`, `{"form":1,"worker":{"pid":-1}}`, `{"form":1} trailing`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := readLegacy(bytes.NewReader(data))
		if err != nil {
			return
		}
		first, err := json.Marshal(l)
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		again, err := readLegacy(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s has become %s, %v", first, second, err)
		}
	})
}
