package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sohost/sohost/plugins/internal/trial"
)

// TestLastValues asks for what was written, through a reload.
func TestLastValues(t *testing.T) {
	r := trial.New(t, &Plugin, nil)
	r.Run("writes")
	for _, test := range []struct{ query, want string }{
		{"table=cpu&host=a", `[{"database":"db","table":"cpu","tags":{"dc":"1","host":"a"},"fields":{"busy":{"value":3,"time":"2026-01-01T00:00:03Z"},` +
			`"name":{"value":"x","time":"2026-01-01T00:00:01Z"}}}]`},
		{"host=b", `[{"database":"db","table":"cpu","tags":{"dc":"1","host":"b"},"fields":{"busy":{"value":7.5,"time":"2026-01-01T00:00:01Z"}}}]`},
		{"table=mem&database=db", `[{"database":"db","table":"mem","tags":{},"fields":{"used":{"value":true,"time":"2026-01-01T00:00:01Z"}}}]`},
		{"database=other", `[]`},
	} {
		w := httptest.NewRecorder()
		r.Instance().(http.Handler).ServeHTTP(w, httptest.NewRequest("GET", "/last?"+test.query, nil))
		if got := strings.TrimSpace(w.Body.String()); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.query, got, test.want)
		}
	}
	w := httptest.NewRecorder()
	r.Instance().(http.Handler).ServeHTTP(w, httptest.NewRequest("POST", "/last", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
