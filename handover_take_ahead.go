package sohost

import (
	"fmt"
	"io"
	"os"
)

// goesAhead reports whether the candidate's state may come ahead: it is of the very type that the giver has, so that what has changed
// of it can be put together with what came before.
func (c *candidate) goesAhead() bool {
	return c != nil && c.move.To == c.move.From && c.next.GoesAhead()
}

// reached says that everything that came so far was decoded.
func (t *taker) reached() error {
	for _, c := range t.arrived {
		a := t.arrivals[c]
		if <-a.done; a.err != nil {
			return &failure{candidate: c, phase: PhaseState, err: a.err}
		}
	}
	return t.giver.Send(message{Reached: true})
}

// takeChanges changes states that have come ahead, several at once.
func (t *taker) takeChanges(list []changesMessage, file *os.File) error {
	defer file.Close()
	var all []arrivedChanges
	met, at := map[*candidate]bool{}, int64(0)
	for _, m := range list {
		c := t.of[m.Plugin]
		if c == nil || met[c] || t.arrivals[c] == nil || !t.arrivals[c].ahead || t.arrivals[c].all || m.Changed < 0 || m.Gone < 0 {
			return fmt.Errorf("%w: changes of a state that has not come", errOutOfOrder)
		}
		met[c] = true
		a := t.arrivals[c]
		if <-a.done; a.err != nil {
			return &failure{candidate: c, phase: PhaseState, err: a.err}
		}
		all = append(all, arrivedChanges{m, c, file, at})
		at += m.Changed + m.Gone
	}
	failed := make([]error, len(all))
	atOnce(all, func(i int, c arrivedChanges) {
		failed[i] = c.step(PhaseState, func() error { return c.add(t.arrivals[c.candidate]) })
	})
	for i, err := range failed {
		if err != nil {
			return err
		}
		t.arrivals[all[i].candidate].all = all[i].All
	}
	return nil
}

// arrivedChanges are the changes of one state, which begin at a place in a file.
type arrivedChanges struct {
	changesMessage
	*candidate
	file *os.File
	at   int64
}

// add adds the changes to what has arrived before them.
func (c arrivedChanges) add(a *arrival) error {
	changed, err := c.next.DecodeStream(io.NewSectionReader(c.file, c.at, c.Changed), c.moveOptions())
	if err != nil {
		return err
	}
	if a.decoded, err = a.decoded.With(changed); err != nil || c.Gone == 0 {
		return err
	}
	gone, err := c.next.DecodeStream(io.NewSectionReader(c.file, c.at+c.Changed, c.Gone), c.moveOptions())
	if err != nil {
		return err
	}
	return a.decoded.Without(gone)
}
