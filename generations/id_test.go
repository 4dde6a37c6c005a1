package generations

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestIDText(t *testing.T) {
	id := idOf("x")
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Errorf("ParseID(String) = %v, %v", got, err)
	}
	if !strings.HasPrefix(id.String(), id.Short()) || len(id.Short()) != 12 {
		t.Errorf("Short = %q", id.Short())
	}
	// A zero id in a manifest or event is left out rather than written as 64 zeros.
	data, err := json.Marshal(Entry{Image: id})
	if err != nil || strings.Contains(string(data), "skipped") {
		t.Errorf("Marshal = %s, %v", data, err)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(idOf("x").String())
	f.Add("")
	f.Add(strings.ToUpper(idOf("x").String()))
	f.Add(strings.Repeat("g", 64))
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err == nil && id.String() != s {
			t.Errorf("ParseID(%q).String() = %q: two names of one image", s, id)
		}
	})
}
