package writes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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

// slow is a body that comes in parts.
type slow struct {
	*io.PipeWriter
	code chan string // gets status and Retry-After
}

// TestHeld begins more bodies than there is room for. One that finds no room for its rest is refused at once, when its client has sent all of
// it, and one that finds none for its beginning when patience is over; either is to come again. In the end nothing is held.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 2 * placeSize
		const line = "cpu n=1 1\n"
		h := &endpoints{Options: Options{BodyLimit: limit, Accept: func(context.Context, Write) error { return nil }},
			held: newRoom(heldFor, limit), room: newRoom(roomFor, limit)}
		begin := func() slow {
			from, to := io.Pipe()
			s := slow{to, make(chan string, 1)}
			go func() {
				w := httptest.NewRecorder()
				h.writer(v1{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/write?db=d", from))
				s.code <- fmt.Sprint(w.Code, w.Header().Get("Retry-After"))
				from.Close()
			}()
			return s
		}
		send := func(s slow, size int) {
			t.Helper()
			if _, err := io.WriteString(s, strings.Repeat(line, size/len(line))); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		wants := func(what string, s slow, code string) {
			t.Helper()
			s.Close()
			if got := <-s.code; got != code {
				t.Errorf("%s: %s, want %s", what, got, code)
			}
		}
		var large []slow
		for range heldFor - 1 {
			s := begin()
			send(s, limit)
			large = append(large, s)
		}
		small, other := begin(), begin()
		send(small, placeSize)
		send(other, placeSize)
		before := time.Now()
		late := begin()
		synctest.Wait()
		if n := len(h.held.places); n != cap(h.held.places) {
			t.Errorf("%d places of %d are taken", n, cap(h.held.places))
		}
		send(small, placeSize)
		if !time.Now().Equal(before) {
			t.Errorf("a client was held up for %v", time.Since(before))
		}
		wants("it grows", small, "5031")
		send(late, placeSize) // there is room now
		later := begin()
		synctest.Wait()
		if got := <-later.code; got != "5031" || time.Since(before) < patience {
			t.Errorf("there is no room for %v: %s after %v", patience, got, time.Since(before))
		}
		wants("it is the first that ends", large[0], "204")
		send(other, placeSize-len(line))
		for _, s := range append(large[1:], other, late) {
			wants("it was there in time", s, "204")
		}
		if n := len(h.held.places) + len(h.room.places); n != 0 {
			t.Errorf("in the end %d places are taken", n)
		}
	})
}
