package worker

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/sohost/sohost"
)

// FuzzMessages decodes orders and words with any content. What is understood can be passed on and means the same.
func FuzzMessages(f *testing.F) {
	for _, m := range []any{
		Order{Start: &Start{Options: sohost.Options{Store: "/s"}, Takes: true, Crashes: []sohost.Crash{{Exit: "x"}}}}, Order{Ping: 1},
		Order{Give: &Give{Why: "x", Images: map[string]string{"a": ""}}}, Order{Answer: &Answer{ID: 1, Error: "no"}},
		Word{Pong: 1, Serving: &Serving{Release: 2}}, Word{Ask: &Ask{ID: 3}}, Word{Booting: &sohost.BootProgress{Done: 1, Total: 2}},
		Word{Given: &Given{Error: "no", Refusal: &sohost.Refusal{Plugin: "a"}}},
	} {
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		same(t, data, new(Order), new(Order))
		same(t, data, new(Word), new(Word))
	})
}

func same[M any](t *testing.T, data []byte, m, again *M) {
	if json.Unmarshal(data, m) != nil {
		return
	}
	first, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(first, again)
	}
	if err != nil {
		t.Fatalf("%q can't be passed on: %v", data, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) {
		t.Errorf("%s has become %s, %v", first, second, err)
	}
}
