package sohost

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// requests are HTTP requests that are under way, so that those can be named that hold something up. The list is in several parts
// because every request enters and leaves it; each part has a lock that is held for a few nanoseconds.
type requests struct {
	parts [16]requestPart
}

type requestPart struct {
	mu    sync.Mutex // guards first, tally, and the links of all requests of the part
	first *request
	tally tally    // of those that have ended and were answered
	_     [48]byte // so that no two parts share a cache line
}

// request is one of them.
type request struct {
	part       *requestPart
	prev, next *request

	// Copied at the beginning: the plugin may change its http.Request.
	method, path, remote string
	began                time.Duration // after epoch
}

// epoch is what the beginnings of requests are counted from: to read one clock takes half as long as the two of time.Now.
var epoch = time.Now()

// spare are requests that have ended, to be used again.
var spare = sync.Pool{New: func() any { return new(request) }}

// begin adds a request. Its end must be called.
func (rs *requests) begin(r *http.Request) *request {
	q := spare.Get().(*request)
	*q = request{
		part: &rs.parts[rand.Uint32()%uint32(len(rs.parts))], method: r.Method, path: r.URL.Path, remote: r.RemoteAddr, began: time.Since(epoch),
	}
	q.part.mu.Lock()
	defer q.part.mu.Unlock()
	if q.next = q.part.first; q.next != nil {
		q.next.prev = q
	}
	q.part.first = q
	return q
}

// end removes the request, which must not be used any more.
func (q *request) end() {
	q.leave(func() {})
	*q = request{} // it would keep its texts
	spare.Put(q)
}

// answered is end for a request that a plugin has answered.
func (q *request) answered(status int, panicked bool) {
	took := time.Since(epoch) - q.began
	q.leave(func() { q.part.tally.count(status, panicked, took) })
	*q = request{}
	spare.Put(q)
}

// leave takes the request from the list, and calls also with the part locked.
func (q *request) leave(also func()) {
	q.part.mu.Lock()
	defer q.part.mu.Unlock()
	also()
	if q.next != nil {
		q.next.prev = q.prev
	}
	if q.prev != nil {
		q.prev.next = q.next
	} else {
		q.part.first = q.next
	}
}

// all returns copies of the requests that are under way, the oldest first.
func (rs *requests) all() (found []request) {
	for i := range rs.parts {
		part := &rs.parts[i]
		part.mu.Lock()
		for q := part.first; q != nil; q = q.next {
			found = append(found, *q)
		}
		part.mu.Unlock()
	}
	slices.SortFunc(found, func(a, b request) int { return cmp.Compare(a.began, b.began) })
	return found
}

// RunningCall is a request that a generation has not answered yet. Calls that the program has made by Host.Call are none.
type RunningCall struct {
	Method string    `json:"method"`
	Path   string    `json:"path"` // without its query; cut after 100 characters
	Since  time.Time `json:"since"`
}

// String returns the method, the path and the age.
func (c RunningCall) String() string {
	return fmt.Sprintf("%s %s for %v", c.Method, c.Path, time.Since(c.Since).Round(100*time.Millisecond))
}

const (
	// shownCalls is how many running calls a status and an error show.
	shownCalls = 5

	// longCall is how long a request has run if a status shows it.
	longCall = time.Second

	shownPath = 100 // characters
)

// oldest returns the oldest requests that have run for at least a time.
func (rs *requests) oldest(atLeast time.Duration) (calls []RunningCall) {
	for _, q := range rs.all() {
		if len(calls) < shownCalls && time.Since(epoch)-q.began >= atLeast {
			calls = append(calls, RunningCall{Method: shown(q.method), Path: shown(q.path), Since: epoch.Add(q.began)})
		}
	}
	return calls
}

// shown returns a text of a client's as it is shown to people.
func shown(text string) string {
	quoted := fmt.Sprintf("%+q", text)
	quoted = quoted[1 : len(quoted)-1]
	return cmp.Or(quoted[:min(len(quoted), shownPath)], "?")
}

// inBrackets returns a text that follows another one; "" stays "".
func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// inWords lists the oldest calls of a number that run.
func (rs *requests) inWords(running int64) string {
	calls := rs.oldest(0)
	var words []string
	for _, c := range calls {
		words = append(words, c.String())
	}
	if more := running - int64(len(calls)); more > 0 && len(calls) > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}
