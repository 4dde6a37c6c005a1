package writes

import (
	"fmt"
	"net/http"

	"github.com/sohost/sohost/internal/lineprotocol"
)

// v2 is /api/v2/write as InfluxDB 2 and 3 have it: if any line can't be read, nothing is written.
type v2 struct{}

// precisions2 are those that InfluxDB 2 knows.
var precisions2 = map[string]lineprotocol.Precision{
	"": lineprotocol.Nanosecond, "ns": lineprotocol.Nanosecond, "us": lineprotocol.Microsecond, "ms": lineprotocol.Millisecond, "s": lineprotocol.Second,
}

func (v2) order(r *http.Request) (o order, f *failure) {
	q := r.URL.Query()
	if o.database = q.Get("bucket"); o.database == "" {
		return o, &failure{kind: noDatabase, text: "bucket not found"}
	}
	var ok bool
	if o.precision, ok = precisions2[q.Get("precision")]; !ok {
		return o, &failure{kind: badParameter, text: fmt.Sprintf("invalid precision %q; valid precision units are ns, us, ms, and s", q.Get("precision"))}
	}
	return o, nil
}

func (v2) tell(w http.ResponseWriter, f *failure) {
	status, code, text := http.StatusBadRequest, "invalid", f.text
	switch f.kind {
	case unauthorized:
		status, code, text = http.StatusUnauthorized, "unauthorized", "unauthorized access"
	case wrongMethod:
		w.Header().Set("Allow", http.MethodPost)
		status, code = http.StatusMethodNotAllowed, "method not allowed"
	case noDatabase:
		status, code = http.StatusNotFound, "not found"
	case tooLarge:
		status, code, text = http.StatusRequestEntityTooLarge, "request too large", "unable to read data: points batch is too large"
	case badLines:
		text = listed(f.lines)
	case full:
		status, code = http.StatusServiceUnavailable, "unavailable"
	case broken:
		status, code = http.StatusInternalServerError, "internal error"
	}
	writeJSON(w, status, map[string]any{"code": code, "message": text})
}
