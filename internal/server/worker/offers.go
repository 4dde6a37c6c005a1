package worker

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/internal/passing"
)

// offers are the sockets that one process passes to another, which takes each or leaves it: it may have too many files open. What it
// leaves stays with who has offered it.
type offers struct {
	to       *passing.Conn
	answered atomic.Bool // whether the other answers; a program of an earlier version takes everything, if it can

	mu      sync.Mutex // guards what follows
	last    uint64
	waiting map[uint64]chan<- bool // gets whether the offer is taken
	ended   chan struct{}          // closed when no more answers come
}

// errLeft is returned by make if the other process leaves what it was offered.
var errLeft = errors.New("the process that serves has no room for another open file")

// answerTimeout bounds the wait for an answer, which takes no time in a process that runs.
const answerTimeout = 10 * time.Second

func newOffers(to *passing.Conn) *offers {
	return &offers{to: to, waiting: map[uint64]chan<- bool{}, ended: make(chan struct{})}
}

// make offers a file, and waits until it is taken or left. After an error nobody else has it. Without an answer the other process may
// have it, so it counts as taken.
func (o *offers) make(p passed, f *os.File) error {
	if !o.answered.Load() {
		return o.to.Send(p, f)
	}
	answer := make(chan bool, 1)
	o.mu.Lock()
	o.last++
	p.Offer = o.last
	o.waiting[p.Offer] = answer
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.waiting, p.Offer)
	}()
	if err := o.to.Send(p, f); err != nil {
		return err
	}
	limit := time.NewTimer(answerTimeout)
	defer limit.Stop()
	select {
	case taken := <-answer:
		if !taken {
			return errLeft
		}
	case <-o.ended:
	case <-limit.C:
	}
	return nil
}

// answer notes an answer of the other process.
func (o *offers) answer(a offerAnswer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if waiting := o.waiting[a.Offer]; waiting != nil {
		waiting <- a.Taken // has room for one
		delete(o.waiting, a.Offer)
	}
}

// end says that no more answers come.
func (o *offers) end() { close(o.ended) }
