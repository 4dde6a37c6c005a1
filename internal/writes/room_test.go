package writes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestRoom writes more at a time than there is room for. Those that wait get it in turn, or are told to come again; what is in a queue needs
// none.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 2 * placeSize
		let := make(chan bool) // whether the write is queued
		var taken atomic.Int64
		h := New(Options{BodyLimit: limit, Accept: func(_ context.Context, w Write) error {
			taken.Add(1)
			if <-let {
				w.Queued()
				<-let
			}
			return nil
		}})
		codes := make(chan string, 100)
		write := func(ctx context.Context, size int) {
			line := "cpu n=1 1\n"
			body := strings.Repeat(line, (size-1)/len(line))
			go func() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/write?db=d", strings.NewReader(body)))
				codes <- fmt.Sprint(w.Code, w.Header().Get("Retry-After"))
			}()
			synctest.Wait()
		}
		wants := func(what string, accepted int) {
			t.Helper()
			synctest.Wait()
			if n := taken.Load(); n != int64(accepted) {
				t.Errorf("%s: %d writes are taken, want %d", what, n, accepted)
			}
		}
		for range roomFor - 1 {
			write(t.Context(), limit)
		}
		write(t.Context(), placeSize)
		write(t.Context(), limit) // has to wait
		write(t.Context(), placeSize)
		wants("a small one behind a large one", roomFor)
		let <- true
		wants("one is queued", roomFor+2)
		gone, cancel := context.WithCancelCause(t.Context())
		write(gone, limit)
		cancel(errors.New("gone"))
		if got := <-codes; got != "5031" {
			t.Errorf("its client is gone: %s", got)
		}
		write(t.Context(), limit)
		if got := <-codes; got != "5031" { // the bubble's clock goes on when all wait
			t.Errorf("there is no room for %v: %s", patience, got)
		}
		close(let)
		synctest.Wait()
		for range roomFor + 2 {
			if got := <-codes; got != "204" {
				t.Errorf("%s", got)
			}
		}
		write(t.Context(), limit)
		if got := <-codes; got != "204" {
			t.Errorf("all has ended: %s", got)
		}
	})
}
