package control

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// FuzzRequest sends any body to what takes requests of each kind. It is either understood whole or refused with a Failure.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"images":{"counter":"/x.so","b":""}}`, `{"to":41,"plugins":["counter"]}`, `{"keep":10,"dry_run":true}`,
		`{"program":"/bin/sohost","why":"x"}`, `{"image":"6b7a76b4f381"}`, `{"images":null}`, `{"unknown":1}`, `[`, ``, `{} {}`,
	} {
		f.Add([]byte(body))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/deploy", handle(func(_ *http.Request, in DeployRequest) (any, error) { return in, absolute(in.Images) }))
	mux.HandleFunc("/rollback", handle(func(_ *http.Request, in RollbackRequest) (any, error) { return in, nil }))
	mux.HandleFunc("/prune", handle(func(_ *http.Request, in PruneRequest) (any, error) { return in, nil }))
	mux.HandleFunc("/handover", handle(func(_ *http.Request, in HandoverRequest) (any, error) { return in, absolute(in.Images) }))
	mux.HandleFunc("/lift", handle(func(_ *http.Request, in LiftRequest) (any, error) { return in, nil }))
	server := newServer(defaultLimits(), mux).Handler
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/deploy", "/rollback", "/prune", "/handover", "/lift"} {
			r := httptest.NewRequest("POST", path, bytes.NewReader(body))
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, os.Getuid())))
			var failure Failure
			switch w.Code {
			case http.StatusOK:
				if !json.Valid(w.Body.Bytes()) {
					t.Errorf("%s answers %q", path, w.Body)
				}
			case http.StatusBadRequest, http.StatusConflict:
				if err := json.Unmarshal(w.Body.Bytes(), &failure); err != nil || failure.Message == "" || failure.Code != CodeInvalid {
					t.Errorf("%s answers %d %q, %v", path, w.Code, w.Body, err)
				}
			default:
				t.Errorf("%s answers %d", path, w.Code)
			}
		}
	})
}
