package adapter

import (
	"bytes"
	"fmt"
	"io"
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
	rec, err := record(w, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusOK)
		fmt.Fprint(w, "abc")
	})
	if w.Body.Len() > 0 || err != nil {
		t.Fatalf("written are %q, with %v", w.Body, err)
	}
	rec.Body = []byte("longer")
	rec.Send()
	if got := fmt.Sprint(w.Code, w.Header(), w.Body); got != "202 map[Content-Length:[6] Early:[1]] longer" {
		t.Errorf("the response is %s", got)
	}

	w = httptest.NewRecorder()
	rec, _ = record(w, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusOK)
	})
	if rec.Send(); w.Header().Get("Content-Length") != "3" {
		t.Errorf("the answer to HEAD has %v", w.Header())
	}

	part := bytes.Repeat([]byte("x"), MaxRecorded/2)
	if rec, err = record(w, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			if _, err := w.Write(part); (err != nil) != (i == 2) {
				t.Errorf("write %d: %v", i, err)
			}
		}
		panic(http.ErrAbortHandler) // as a proxy does
	}); err == nil || rec != nil {
		t.Errorf("too large: %v", err)
	}
}

// TestRecordedPanics lets the panics of handlers through.
func TestRecordedPanics(t *testing.T) {
	for _, want := range []any{http.ErrAbortHandler, "out of cheese"} {
		func() {
			defer func() {
				if v := recover(); v != want {
					t.Errorf("recovered %v, want %v", v, want)
				}
			}()
			record(httptest.NewRecorder(), func(http.ResponseWriter, *http.Request) { panic(want) })
		}()
	}
}

// TestTaken lets a handler take a connection over, and has no response then.
func TestTaken(t *testing.T) {
	recorded := make(chan *Recorder, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rec, err := record(w, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
			conn.Close()
		})
		if err != nil {
			t.Error(err)
		}
		recorded <- rec
	}))
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "mine" {
		t.Errorf("the client got %q, %v", body, err)
	}
	if rec := <-recorded; rec != nil {
		t.Errorf("the response is %+v", rec)
	}
}

func record(w http.ResponseWriter, f http.HandlerFunc) (*Recorder, error) {
	return Record(f, w, httptest.NewRequest("GET", "/", nil))
}
