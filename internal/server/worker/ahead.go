package worker

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/files"
)

const (
	// aheadHeader asks for nothing: the connection is opened ahead.
	aheadHeader = "Sohost-Ahead"

	// aheadConnections is how many connections are opened ahead, at most.
	aheadConnections = 16

	// freeForEach is how many files this process must have room for, for each of them: what is kept free is for the handover.
	freeForEach = 16

	// aheadLimit is how long it may take to open them.
	aheadLimit = time.Second
)

// aheadKey is the key of a context in which a connection is opened ahead: where there is no room for it, nothing waits for that.
type aheadKey struct{}

// openAhead opens connections to the taker before the plugins are the taker's, and has something answered on each: callers who wait for
// the handover don't wait for that as well. It blocks until they are open, or ctx ends.
func (p *proxy) openAhead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, aheadKey{}, true), aheadLimit)
	defer cancel()
	open := files.Of(0)
	answers := make([]*http.Response, max(0, min(aheadConnections, p.transport.MaxIdleConnsPerHost, (open.Limit-open.Open)/freeForEach)))
	var opening sync.WaitGroup
	for i := range answers {
		opening.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sohost/", nil)
			if err == nil {
				r.Header.Set(aheadHeader, "1")
				answers[i], _ = p.transport.RoundTrip(r)
			}
		})
	}
	opening.Wait()
	for _, a := range answers { // a connection whose answer was read would be used for the next request
		if a != nil {
			io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
	}
}

// aheadOf serves a proxy's requests once ready is closed, and answers at once those that ask for nothing.
func aheadOf(ready <-chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(aheadHeader) != "" && r.Header.Get(clientHeader) == "" { // or it is a client's, by an older giver
			io.WriteString(w, "open")
			return
		}
		select {
		case <-ready:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}
