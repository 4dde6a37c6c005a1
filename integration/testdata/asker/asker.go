// Asker stores rows and asks a database for them.
//
//	POST /asker/emit                  emits two rows of table t
//	GET  /asker/ask?language=…&q=…    answers what a query returns: a line for each table and each row of it; values with their kinds
//	                                  host, min, time, start, end and step, if given, are parameters
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) { return &asker{host}, nil },
}

type asker struct{ host abi.Host }

func (a *asker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := a.ask
	if strings.HasSuffix(r.URL.Path, "/emit") {
		answer = a.emit
	}
	text, err := answer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(w, text)
}

func (a *asker) emit(r *http.Request) (string, error) {
	var out rows.Builder
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	out.Row("t").Tag("host", "a b").Int("n", 7).Float("x", 0.1).Bool("up", true).String("note", `it's "7", =ü`).At(at)
	out.Row("t").Tag("host", "c").Int("n", -3).Bool("up", false).At(at.Add(time.Minute))
	return "emitted", a.host.Emit(r.Context(), out.Tables())
}

func (a *asker) ask(r *http.Request) (string, error) {
	q := abi.Query{Language: r.FormValue("language"), Text: r.FormValue("q"), Params: map[string]any{}}
	for _, name := range []string{"host", "time", "start", "end", "step"} {
		if text := r.FormValue(name); text != "" {
			q.Params[name] = text
		}
	}
	if least, err := strconv.ParseInt(r.FormValue("min"), 10, 64); err == nil {
		q.Params["min"] = least
	}
	tables, err := a.host.Query(r.Context(), q)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, t := range tables {
		fmt.Fprintln(&text, "table", t.Name)
		for row := range rows.Len(&t) {
			for i := range t.Columns {
				if c := &t.Columns[i]; rows.Has(c, row) {
					fmt.Fprintf(&text, "%s=%s:%s ", c.Name, rows.KindName(c.Kind), rows.Text(c, row))
				}
			}
			fmt.Fprintln(&text)
		}
	}
	return text.String(), nil
}

func main() {}
