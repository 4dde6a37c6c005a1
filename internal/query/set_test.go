package query

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// TestSet asks by the name of a database, of a bucket in the only one, and by a name that could mean several.
func TestSet(t *testing.T) {
	asked := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
	}))
	defer s.Close()
	one := map[string]Options{"main": {URL: s.URL, Version: 3, Database: "d"}}
	two := map[string]Options{"main": one["main"], "other": {URL: s.URL, Version: 3, Database: "e"}}
	for _, test := range []struct {
		all        map[string]Options
		name, want string // part of the request or of the error
	}{
		{one, "", `{"db":"d"`}, {one, "main", `{"db":"d"`}, {one, "bucket", `{"db":"bucket"`},
		{two, "other", `{"db":"e"`}, {two, "", "set Database to main or other"}, {two, "bucket", "set Database to main or other"},
	} {
		asked = ""
		set := NewSet(test.all)
		if _, err := set.Query(t.Context(), abi.Query{Database: test.name}); err != nil {
			asked = err.Error()
		}
		set.Close()
		if !strings.Contains(asked, test.want) {
			t.Errorf("%q of %d: %s, want %s", test.name, len(test.all), asked, test.want)
		}
	}
}
