package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/dryrun"
)

// TestRequest asks to call what a plugin serves with given input, in a process of its own. The order's Image is the server's to fill
// in, and its Args come over those of the server's configuration.
type TestRequest struct{ dryrun.Order }

// mostTests is how many dry runs a server makes at a time. Each is a process with up to 2 GiB of memory.
const mostTests = 1

// mostTestTime is how long a dry run of a server may take.
const mostTestTime = 2 * time.Minute

// tests makes dry runs for clients.
type tests struct {
	host *sohost.Host
	free chan struct{} // has one element for each that runs
}

func newTests(host *sohost.Host) *tests { return &tests{host, make(chan struct{}, mostTests)} }

func (t *tests) run(r *http.Request, in TestRequest) (any, error) {
	if in.Image != "" {
		return nil, &Failure{Code: CodeInvalid, Message: "image: the server calls the image that it serves; use `sohost test FILE` for another"}
	}
	select {
	case t.free <- struct{}{}:
		defer func() { <-t.free }()
	default:
		return nil, &Failure{Code: CodeFailed, Message: "another dry run is under way; the server makes one at a time. Try again, " +
			"or use `sohost test FILE`, which needs no server"}
	}
	served, err := t.host.Served(in.Plugin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), mostTestTime, fmt.Errorf(
		"it took longer than the %v that the server gives a dry run; use `sohost test FILE` for more", mostTestTime))
	defer cancel()
	maps.Copy(served.Args, in.Args)
	in.Order.Image, in.Order.Args, in.Order.Values = served.Image, served.Args, served.Values
	result, err := dryrun.Run(ctx, in.Order)
	if errors.Is(err, dryrun.ErrOrder) {
		return nil, &Failure{Code: CodeInvalid, Message: err.Error()}
	}
	return result, err
}

// Test calls what a plugin of the server serves with given input, in a process of its own.
func (c *Client) Test(ctx context.Context, in TestRequest) (r dryrun.Result, err error) {
	return r, c.call(ctx, "POST", "/v1/test", in, &r)
}
