package worker

import (
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
)

// lastEvents is how long the end of a worker waits until the supervisor has taken its last events.
const lastEvents = time.Second

// teller sends the supervisor what happens. Nobody waits for it: what the supervisor doesn't take in time is only counted.
type teller struct {
	queue *events.Queue
	done  chan struct{} // closed when all is sent
}

// tellEvents begins to send events. Its end must be called before the link is closed.
func (w *worker) tellEvents() *teller {
	t := &teller{events.NewQueue(), make(chan struct{})}
	go func() {
		defer close(t.done)
		for {
			batch, ok := t.queue.Take()
			if !ok {
				return
			}
			w.link.Send(Word{Events: &batch}) // fails only when the supervisor is gone
		}
	}()
	return t
}

// tell takes an event. Of handovers the supervisor knows more than any worker.
func (t *teller) tell(e generations.Event) {
	if e.Kind != generations.KindHandover {
		t.queue.Put(e)
	}
}

// end sends what is left, for a moment at most.
func (t *teller) end() {
	t.queue.Close()
	select {
	case <-t.done:
	case <-time.After(lastEvents): // closing the link ends it
	}
}
