package writes

import (
	"encoding/json"
	"net/http"
	"strings"
)

// writeJSON answers with a value. A client that has gone doesn't matter.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}

// ping tells that the server is there, as clients of each version ask it.
func (e *endpoints) ping(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Influxdb-Version", e.Version)
	w.Header().Set("X-Influxdb-Build", "sohost")
	if verbose := r.URL.Query().Get("verbose"); verbose != "" && verbose != "0" && verbose != "false" {
		writeJSON(w, http.StatusOK, map[string]any{"version": e.Version})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// health tells whether the server can take writes.
func (e *endpoints) health(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]any{"name": "sohost", "message": "ready for writes", "status": "pass", "checks": []any{}, "version": e.Version}
	status := http.StatusOK
	if err := e.Ready(); err != nil {
		status, answer["status"], answer["message"] = http.StatusServiceUnavailable, "fail", err.Error()
	}
	writeJSON(w, status, answer)
}

// query answers the one statement that Telegraf sends before it writes to InfluxDB 1.x. Databases need not be created.
func (e *endpoints) query(w http.ResponseWriter, r *http.Request) {
	if !e.allowed(r) {
		v1{}.tell(w, &failure{kind: unauthorized})
		return
	}
	if q := strings.ToUpper(strings.TrimSpace(r.FormValue("q"))); !strings.HasPrefix(q, "CREATE DATABASE ") {
		v1{}.tell(w, &failure{kind: badParameter, text: "this server stores nothing that can be queried: it only takes writes"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"results": []any{map[string]any{"statement_id": 0}}})
}
