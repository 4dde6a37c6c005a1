package writes

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/lineprotocol"
)

// v1 is /write as InfluxDB 1.x has it: lines that can be read are written even if others can't.
type v1 struct{}

// precisions1 are those that InfluxDB 1.x knows.
var precisions1 = map[string]lineprotocol.Precision{
	"": lineprotocol.Nanosecond, "n": lineprotocol.Nanosecond, "ns": lineprotocol.Nanosecond, "u": lineprotocol.Microsecond, "us": lineprotocol.Microsecond,
	"µ": lineprotocol.Microsecond, "ms": lineprotocol.Millisecond, "s": lineprotocol.Second, "m": lineprotocol.Minute, "h": lineprotocol.Hour,
}

func (v1) order(r *http.Request) (o order, f *failure) {
	q := r.URL.Query()
	o = order{database: q.Get("db"), partial: true}
	if o.database == "" {
		return o, &failure{kind: noDatabase, text: "database is required"}
	}
	if rp := q.Get("rp"); !slices.Contains([]string{"", "autogen", "default", "''"}, rp) {
		o.database += "/" + rp
	}
	var ok bool
	if o.precision, ok = precisions1[q.Get("precision")]; !ok {
		return o, &failure{kind: badParameter, text: fmt.Sprintf("invalid precision %q (use n, u, ms, s, m or h)", q.Get("precision"))}
	}
	return o, nil
}

func (v1) tell(w http.ResponseWriter, f *failure) {
	status, text := http.StatusBadRequest, f.text
	switch f.kind {
	case unauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="InfluxDB"`)
		status, text = http.StatusUnauthorized, "authorization failed"
	case wrongMethod:
		w.Header().Set("Allow", http.MethodPost)
		status = http.StatusMethodNotAllowed
	case tooLarge:
		status, text = http.StatusRequestEntityTooLarge, "Request Entity Too Large"
	case badLines:
		text = listed(f.lines)
		if f.written {
			text = fmt.Sprintf("partial write: %s dropped=%d", text, f.lines.Errors)
		}
	case full:
		status = http.StatusServiceUnavailable
	case broken:
		status = http.StatusInternalServerError
	}
	w.Header().Set("X-Influxdb-Error", header(text))
	writeJSON(w, status, map[string]any{"error": text})
}

// header returns a text as the value of a header, which has one line.
func header(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// listed returns the lines that can't be read, each with its reason on a line.
func listed(p lineprotocol.Parsed) string {
	var list []string
	for _, bad := range p.Bad {
		list = append(list, fmt.Sprintf("unable to parse '%s': %v", bad.Original, bad.Err))
	}
	if more := p.Errors - len(p.Bad); more > 0 {
		list = append(list, fmt.Sprintf("and %d more lines", more))
	}
	return strings.Join(list, "\n")
}
