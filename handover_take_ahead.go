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

// takeChanges changes states that have come ahead.
func (t *taker) takeChanges(list []changesMessage, file *os.File) error {
	defer file.Close()
	at := int64(0)
	for _, m := range list {
		c := t.of[m.Plugin]
		if c == nil || t.arrivals[c] == nil || !t.arrivals[c].ahead || t.arrivals[c].all || m.Changed < 0 || m.Gone < 0 {
			return fmt.Errorf("%w: changes of a state that has not come", errOutOfOrder)
		}
		a := t.arrivals[c]
		if <-a.done; a.err != nil {
			return &failure{candidate: c, phase: PhaseState, err: a.err}
		}
		err := c.step(PhaseState, func() error {
			changed, err := c.next.DecodeStream(io.NewSectionReader(file, at, m.Changed), c.moveOptions())
			if err != nil {
				return err
			}
			if a.decoded, err = a.decoded.With(changed); err != nil || m.Gone == 0 {
				return err
			}
			gone, err := c.next.DecodeStream(io.NewSectionReader(file, at+m.Changed, m.Gone), c.moveOptions())
			if err != nil {
				return err
			}
			return a.decoded.Without(gone)
		})
		if err != nil {
			return err
		}
		at += m.Changed + m.Gone
		a.all = m.All
	}
	return nil
}
