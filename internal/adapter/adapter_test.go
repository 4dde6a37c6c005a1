package adapter

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/sohost/sohost/abi"
)

// plain is a host that knows no types.
type plain struct{ abi.Host }

func (plain) Args() map[string]string { return map[string]string{"a": "1"} }

func TestArguments(t *testing.T) {
	texts, values := map[string]string{"s": "1"}, map[string]any{"n": int64(1), "l": []any{true, "x"}, "t": map[string]any{"k": int64(2)}}
	if got, want := Typed(texts, values), (map[string]any{"s": "1", "n": 1.0, "l": []any{true, "x"}, "t": map[string]any{"k": 2.0}}); !reflect.DeepEqual(got, want) {
		t.Errorf("typed they are %v, want %v", got, want)
	}
	Typed(texts, values)["t"].(map[string]any)["k"] = "changed"
	if got, want := Texts(texts, values), (map[string]string{"s": "1", "n": "1", "l": `[true,"x"]`, "t": `{"k":2}`}); !reflect.DeepEqual(got, want) {
		t.Errorf("as texts they are %v, want %v", got, want)
	}
	if got := Config(plain{}); !reflect.DeepEqual(got, map[string]any{"a": "1"}) {
		t.Errorf("of a host that knows no types they are %v", got)
	}
	if CheckValue(func() {}) == nil || CheckValue(values) != nil {
		t.Error("values are judged wrongly")
	}
	if names := (Exports{"b": 1, "a": 2}).Names(); !reflect.DeepEqual(names, []string{"a", "b"}) {
		t.Errorf("the names are %v", names)
	}
}

// TestRecorder holds responses back: one that is replaced, the answer to HEAD, and one that is too large.
func TestRecorder(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Early", "1")
	rec := NewRecorder(w)
	rec.WriteHeader(http.StatusEarlyHints)
	rec.Header().Set("Content-Length", "3")
	rec.WriteHeader(http.StatusAccepted)
	rec.WriteHeader(http.StatusOK)
	fmt.Fprint(rec, "abc")
	if w.Body.Len() > 0 || rec.Err() != nil {
		t.Errorf("written are %q, with %v", w.Body, rec.Err())
	}
	rec.Body = []byte("longer")
	rec.Send()
	if got := fmt.Sprint(w.Code, w.Header(), w.Body); got != "202 map[Content-Length:[6] Early:[1]] longer" {
		t.Errorf("the response is %s", got)
	}

	w = httptest.NewRecorder()
	rec = NewRecorder(w)
	rec.Header().Set("Content-Length", "3")
	rec.WriteHeader(http.StatusOK)
	if rec.Send(); w.Header().Get("Content-Length") != "3" {
		t.Errorf("the answer to HEAD has %v", w.Header())
	}

	rec = NewRecorder(httptest.NewRecorder())
	part := bytes.Repeat([]byte("x"), MaxRecorded/2)
	for i := range 3 {
		if _, err := rec.Write(part); (err != nil) != (i == 2) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if rec.Err() == nil || rec.Body != nil {
		t.Errorf("too large: %v, kept are %d bytes", rec.Err(), len(rec.Body))
	}
}
