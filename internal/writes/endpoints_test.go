package writes

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/lineprotocol"
)

// taker takes writes as text.
type taker struct {
	err   error
	taken []string
}

func (t *taker) accept(_ context.Context, w Write) error {
	if t.err != nil {
		return t.err
	}
	text, _ := lineprotocol.Append(nil, w.Tables)
	t.taken = append(t.taken, w.Database+": "+strings.TrimSpace(string(text)))
	return nil
}

func zipped(parts ...string) string {
	var b bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&b)
		z.Write([]byte(part))
		z.Close()
	}
	return b.String()
}

// TestAnswers goes through what clients of the three versions rely on: the status, the body and what is written.
func TestAnswers(t *testing.T) {
	const (
		v1    = "/write?db=d"
		v2    = "/api/v2/write?bucket=d&org=o"
		v3    = "/api/v3/write_lp?db=d"
		mixed = "cpu n=1 1\nbad\ncpu n=2 2"
	)
	long := strings.Repeat("cpu n=1 1\n", 200)
	for _, c := range []struct {
		target, body string
		header       string // "Name: value"
		status       int
		answer       string // contained in the body
		taken        string
	}{
		{v1, "cpu n=1 1", "", 204, "", "d: cpu n=1 1"},
		{v1 + "&rp=autogen", "cpu n=1 1", "", 204, "", "d: cpu n=1 1"},
		{v1 + "&rp=week", "cpu n=1 1", "", 204, "", "d/week: cpu n=1 1"},
		{v1 + "&precision=h", "cpu n=1 1", "", 204, "", "d: cpu n=1 3600000000000"},
		{v1, "", "", 204, "", ""},
		{v1, "# nothing\n", "", 204, "", ""},
		{v1, "bad", "", 400, `{"error":"unable to parse 'bad': missing fields"}`, ""},
		{v1, mixed, "", 400, `{"error":"partial write: unable to parse 'bad': missing fields dropped=1"}`, "d: cpu n=1 1\ncpu n=2 2"},
		{v1 + "&precision=x", "cpu n=1", "", 400, "invalid precision", ""},
		{"/write", "cpu n=1", "", 400, `{"error":"database is required"}`, ""},
		{v1, long, "", 413, `{"error":"Request Entity Too Large"}`, ""},
		{v1, zipped(long), "Content-Encoding: gzip", 413, `{"error":"Request Entity Too Large"}`, ""},
		{v1, zipped("cpu n=1 1\n", "cpu n=2 2"), "Content-Encoding: gzip", 204, "", "d: cpu n=1 1\ncpu n=2 2"},
		{v1, "cpu n=1 1", "Content-Encoding: gzip", 400, "unable to read the body", ""},
		{v1, zipped("cpu n=1 1")[:20], "Content-Encoding: gzip", 400, "unable to read the body", ""},
		{v1, "cpu n=1 1", "Content-Encoding: br", 400, "is not gzip", ""},
		{v1, "full", "", 503, `{"error":"` + ErrFull.Error(), ""},
		{v1, "broken", "", 500, "on fire", ""},

		{v2, "cpu n=1 1", "", 204, "", "d: cpu n=1 1"},
		{v2 + "&precision=ms", "cpu n=1 1", "", 204, "", "d: cpu n=1 1000000"},
		{v2, "", "", 204, "", ""},
		{v2, "invalid", "", 400, `{"code":"invalid","message":"unable to parse 'invalid': missing fields"}`, ""},
		{v2, mixed, "", 400, `{"code":"invalid","message":"unable to parse 'bad': missing fields"}`, ""},
		{v2 + "&precision=h", "cpu n=1", "", 400, `"code":"invalid"`, ""},
		{"/api/v2/write?org=o", "cpu n=1", "", 404, `{"code":"not found","message":"bucket not found"}`, ""},
		{v2, long, "", 413, `{"code":"request too large","message":"unable to read data: points batch is too large"}`, ""},
		{v2, zipped("cpu n=1 1"), "Content-Encoding: x-gzip", 204, "", "d: cpu n=1 1"},
		{v2, "cpu n=1 1", "Content-Encoding: gzip", 400, `"code":"invalid"`, ""},
		{v2, "full", "", 503, `"code":"unavailable"`, ""},
		{v2, "broken", "", 500, `"code":"internal error"`, ""},

		{v3, "cpu n=1 1", "", 204, "", "d: cpu n=1 1000000000"},
		{v3 + "&precision=nanosecond&no_sync=true", "cpu n=1 1", "", 204, "", "d: cpu n=1 1"},
		{v3, "", "", 400, "incoming write was empty\n", ""},
		{v3, "bad", "", 400, `{"data":[{"error_message":"missing fields","line_number":1,"original_line":"bad"}],"error":"partial write of line protocol occurred"}`, ""},
		{v3, mixed, "", 400, `{"data":[{"error_message":"missing fields","line_number":2,"original_line":"bad"}],"error":"partial write of line protocol occurred"}`,
			"d: cpu n=1 1000000000\ncpu n=2 2000000000"},
		{v3 + "&accept_partial=false", mixed, "", 400,
			`{"data":{"error_message":"missing fields","line_number":2,"original_line":"bad"},"error":"line protocol parsing error"}`, ""},
		{v3 + "&accept_partial=false", "bad", "", 400, `"error":"line protocol parsing error"`, ""},
		{v3 + "&accept_partial=perhaps", "cpu n=1", "", 400, "accept_partial", ""},
		{v3 + "&precision=h", "cpu n=1", "", 400, "unknown precision", ""},
		{"/api/v3/write_lp", "cpu n=1", "", 400, "missing query parameter", ""},
		{v3, long, "", 413, "too large", ""},
		{v3, zipped("cpu n=1 1\n", "cpu n=2 2"), "Content-Encoding: gzip", 204, "", "d: cpu n=1 1000000000\ncpu n=2 2000000000"},
		{v3, "cpu n=1 1", "Content-Encoding: deflate", 400, "is not gzip", ""},
		{v3, "full", "", 503, ErrFull.Error(), ""},
		{v3, "broken", "", 500, "on fire", ""},
	} {
		to := &taker{}
		body := c.body
		switch body {
		case "full":
			to.err, body = fmt.Errorf("%w: three plugins", ErrFull), "cpu n=1 1"
		case "broken":
			to.err, body = errors.New("the disk is on fire"), "cpu n=1 1"
		}
		r := httptest.NewRequest(http.MethodPost, c.target, strings.NewReader(body))
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		New(Options{Accept: to.accept, BodyLimit: 1000}).ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) || strings.Join(to.taken, ";") != c.taken {
			t.Errorf("%s with %.30q: %d %s, taken %q; want %d %s, taken %q", c.target, body, w.Code, w.Body, to.taken, c.status, c.answer, c.taken)
		}
		if w.Code == 503 != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: %d with Retry-After %q", c.target, w.Code, w.Header().Get("Retry-After"))
		}
		if w.Code >= 400 && strings.HasPrefix(c.target, "/write") && w.Header().Get("X-Influxdb-Error") == "" {
			t.Errorf("%s: %d without X-Influxdb-Error", c.target, w.Code)
		}
	}
}

// TestTokens tries every way in which clients give a token.
func TestTokens(t *testing.T) {
	to := &taker{}
	h := New(Options{Accept: to.accept, Tokens: []string{"other", "secret"}})
	basic := func(user, password string) string {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for _, path := range []string{"/write?db=d", "/api/v2/write?bucket=d", "/api/v3/write_lp?db=d"} {
		for _, c := range []struct {
			authorization, query string
			status               int
		}{
			{"", "", 401},
			{"Token secret", "", 204},
			{"Token other", "", 204},
			{"bearer secret", "", 204},
			{basic("anybody", "secret"), "", 204},
			{"", "&u=anybody&p=secret", 204},
			{"Token wrong", "", 401},
			{"Token wrong", "&p=secret", 401},
			{"Bearer", "", 401},
			{basic("secret", "x"), "", 401},
		} {
			r := httptest.NewRequest(http.MethodPost, path+c.query, strings.NewReader("cpu n=1"))
			r.Header.Set("Authorization", c.authorization)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != c.status {
				t.Errorf("%s%s with %q: %d, want %d", path, c.query, c.authorization, w.Code, c.status)
			}
			if w.Code == 401 && strings.HasPrefix(path, "/write") != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s: WWW-Authenticate %q", path, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
}

// TestOtherPaths checks what clients ask beside.
func TestOtherPaths(t *testing.T) {
	ready := errors.New("no worker")
	h := New(Options{Accept: (&taker{}).accept, Version: "v1", Tokens: []string{"t"}, Ready: func() error { return ready }})
	get := func(method, target string, body io.Reader) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, body))
		return w
	}
	if w := get("GET", "/ping", nil); w.Code != 204 || w.Header().Get("X-Influxdb-Version") != "v1" {
		t.Errorf("ping: %d %v", w.Code, w.Header())
	}
	if w := get("GET", "/ping?verbose=true", nil); w.Code != 200 || !strings.Contains(w.Body.String(), `"version":"v1"`) {
		t.Errorf("ping: %d %s", w.Code, w.Body)
	}
	health := func() (code int, status string) {
		w := get("GET", "/health", nil)
		var answer struct{ Status string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Error(err)
		}
		return w.Code, answer.Status
	}
	if code, status := health(); code != 503 || status != "fail" {
		t.Errorf("health when nothing is ready: %d %s", code, status)
	}
	ready = nil
	if code, status := health(); code != 200 || status != "pass" {
		t.Errorf("health: %d %s", code, status)
	}
	if w := get("POST", "/query?q=create+database+telegraf&p=t", nil); w.Code != 200 || !strings.Contains(w.Body.String(), `"statement_id":0`) {
		t.Errorf("create database: %d %s", w.Code, w.Body)
	}
	if w := get("POST", "/query?q=create+database+telegraf", nil); w.Code != 401 {
		t.Errorf("create database without a token: %d", w.Code)
	}
	if w := get("POST", "/query?q=select+1&p=t", nil); w.Code != 400 {
		t.Errorf("another query: %d", w.Code)
	}
	for _, path := range []string{"/write?db=d", "/api/v2/write?bucket=d", "/api/v3/write_lp?db=d"} {
		if w := get("GET", path, nil); w.Code != 405 || w.Header().Get("Allow") != "POST" {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}
