package worker

import (
	"context"
	"errors"
)

// ask asks the supervisor for a handover to a new worker, and waits until that has succeeded or failed.
func (w *worker) ask(ctx context.Context, why string) error {
	id, answer := w.asked.Add(1), make(chan Answer, 1)
	w.mu.Lock()
	w.asks[id] = answer
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.asks, id)
	}()
	if err := w.link.Send(Word{Ask: &Ask{ID: id, Why: why}}); err != nil {
		return err
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return errors.New(a.Error)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer passes an answer on to whoever asked.
func (w *worker) answer(a Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, answer := range w.asks {
		if a.ID == id || a.ID == 0 {
			answer <- a // has room for one
			delete(w.asks, id)
		}
	}
}
