package writes

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/sohost/sohost/internal/lineprotocol"
)

// v3 is /api/v3/write_lp as InfluxDB 3 has it: unless accept_partial is false, lines that can be read are written even if others can't.
type v3 struct{}

// precisions3 are those that InfluxDB 3 knows.
var precisions3 = map[string]lineprotocol.Precision{
	"": lineprotocol.Auto, "auto": lineprotocol.Auto, "second": lineprotocol.Second, "s": lineprotocol.Second, "millisecond": lineprotocol.Millisecond,
	"ms": lineprotocol.Millisecond, "microsecond": lineprotocol.Microsecond, "us": lineprotocol.Microsecond, "u": lineprotocol.Microsecond,
	"nanosecond": lineprotocol.Nanosecond, "ns": lineprotocol.Nanosecond, "n": lineprotocol.Nanosecond,
}

func (v3) order(r *http.Request) (o order, f *failure) {
	q := r.URL.Query()
	o = order{database: q.Get("db"), partial: true, notEmpty: true}
	if o.database == "" {
		return o, &failure{kind: noDatabase, text: "missing query parameter 'db'"}
	}
	var ok bool
	if o.precision, ok = precisions3[q.Get("precision")]; !ok {
		return o, &failure{kind: badParameter, text: fmt.Sprintf("unknown precision %q; use auto, second, millisecond, microsecond or nanosecond", q.Get("precision"))}
	}
	// Rows are acknowledged no earlier for no_sync: that a client needn't wait doesn't mean that they may be lost.
	for name, to := range map[string]*bool{"accept_partial": &o.partial, "no_sync": new(bool)} {
		if text := q.Get(name); text != "" {
			b, err := strconv.ParseBool(text)
			if err != nil {
				return o, &failure{kind: badParameter, text: fmt.Sprintf("%s=%q is neither true nor false", name, text)}
			}
			*to = b
		}
	}
	return o, nil
}

// badLine is how InfluxDB 3 names a line that can't be read.
type badLine struct {
	Message  string `json:"error_message"`
	Line     int    `json:"line_number"`
	Original string `json:"original_line"`
}

func (v3) tell(w http.ResponseWriter, f *failure) {
	status, text := http.StatusBadRequest, f.text
	switch f.kind {
	case unauthorized:
		status, text = http.StatusUnauthorized, "the request was not authenticated"
	case wrongMethod:
		w.Header().Set("Allow", http.MethodPost)
		status = http.StatusMethodNotAllowed
	case empty:
		http.Error(w, text, status)
		return
	case tooLarge:
		status, text = http.StatusRequestEntityTooLarge, "the body is too large"
	case badLines:
		tellLines(w, f)
		return
	case full:
		status = http.StatusServiceUnavailable
	case broken:
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, map[string]any{"error": text})
}

// tellLines answers with the lines that can't be read: all that may be shown, or the first one if nothing should be written because of it.
func tellLines(w http.ResponseWriter, f *failure) {
	var list []badLine
	for _, bad := range f.lines.Bad {
		list = append(list, badLine{bad.Err.Error(), bad.Line, bad.Original})
	}
	if !f.partial {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "line protocol parsing error", "data": list[0]})
		return
	}
	writeJSON(w, http.StatusBadRequest, map[string]any{"error": "partial write of line protocol occurred", "data": list})
}
