package control

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/dryrun"
)

// TestTests refuses what a server doesn't do, before it asks its host anything.
func TestTests(t *testing.T) {
	busy := newTests(nil)
	busy.free <- struct{}{}
	for _, test := range []struct {
		in   dryrun.Order
		want string
	}{
		{dryrun.Order{Plugin: "a"}, "one at a time"},
		{dryrun.Order{Plugin: "a", Image: "/x.so"}, "the image that it serves"},
	} {
		_, err := busy.run(httptest.NewRequest("POST", "/v1/test", nil), TestRequest{test.in})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
