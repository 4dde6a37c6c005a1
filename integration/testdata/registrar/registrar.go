// Registrar answers with what its own driver for database/sql says.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/sohost/sohost/abi"
	_ "github.com/sohost/sohost/integration/testdata/registrar/driver"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		db, err := sql.Open("ownsql", "")
		if err != nil {
			return nil, err
		}
		return &registrar{db}, nil
	},
}

type registrar struct{ db *sql.DB }

func (r *registrar) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var answer string
	if err := r.db.QueryRowContext(req.Context(), "?").Scan(&answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, answer)
}

func (r *registrar) Close() error { return r.db.Close() }

func main() {}
