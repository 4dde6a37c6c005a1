package sohost

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sohost/sohost/internal/state"
)

// ErrLosesState is returned when a new generation would lose all of a plugin's state, or all of a part of it, and the
// order doesn't say that it may.
var ErrLosesState = errors.New("it would lose state")

// lostEverything stands in StateMove.Lost for a state of which nothing was taken.
const lostEverything = "everything"

const loseRemedy = "; mend the code, or order the loss with --lose-state (until the release is confirmed, a rollback brings the state back)"

// refuseLoss refuses candidates that would lose state without an order to, and reads what others are to get back, before any
// gate is shut.
func (b *batch) refuseLoss(ctx context.Context) error {
	for _, c := range b.changed() {
		if err := c.step(PhaseState, c.losesState); err != nil {
			b.abandon(ctx)
			return err
		}
	}
	for _, c := range b.changed() {
		c.readKept(ctx, c.addedFields())
	}
	return nil
}

// losesState returns an ErrLosesState if the types alone show that the candidate would lose the state of the generation
// that serves.
func (c *candidate) losesState() error {
	if c.loseState || c.old.serves == nil || !c.old.serves.Value().Stateful() {
		return nil
	}
	if !c.next.Stateful() {
		return dropError(c.next)
	}
	has, wants := c.old.serves.Value().Image().Wants(), c.next.Image().Wants()
	if has.Value == nil || wants.Value == nil || c.ownKept() != nil {
		return nil
	}
	plan := state.Compare(reflect.TypeOf(has.Value), reflect.TypeOf(wants.Value))
	if plan.Way != state.ByConversion || len(plan.Emptied) == 0 {
		return nil
	}
	return emptiedError(plan.Emptied, plan.Changes)
}

// losesDescribed is losesState for the state of a generation in another process.
// Otherwise it reads what the candidate is to get back.
func (c *candidate) losesDescribed(ctx context.Context, described []byte) error {
	wants := c.next.Image().Wants()
	if described == nil || wants.Value == nil {
		return nil
	}
	plan, err := state.CompareDescribed(described, reflect.TypeOf(wants.Value))
	if err != nil {
		return err
	}
	if c.move.To != c.move.From {
		c.readKept(ctx, plan.Changes.Added)
	}
	return c.judgeLoss(state.Report{Emptied: plan.Emptied, Changes: plan.Changes})
}

// judgeLoss is losesState for what shows only when the state moves.
func (c *candidate) judgeLoss(r state.Report) error {
	if c.loseState || c.move.From.IsZero() || c.move.From == c.move.To || len(r.Emptied) == 0 || c.ownKept() != nil {
		return nil
	}
	return emptiedError(r.Emptied, r.Changes)
}

// dropError says that a generation takes no state although the one before has some.
func dropError(next *loaded) error {
	why := "the new code is not abi.Stateful"
	if slip := next.Slip(); slip != "" {
		why += ": " + slip
	}
	return fmt.Errorf("%w, all of it: %s%s", ErrLosesState, why, loseRemedy)
}

func emptiedError(emptied []string, c state.Changes) error {
	return fmt.Errorf("%w: no field of %s is left (removed: %s; added: %s); a field that only has another name needs a tag, see docs/state.md%s",
		ErrLosesState, strings.Join(emptied, ", "), several(c.Removed), several(c.Added), loseRemedy)
}

// mostListed is how many fields a message names.
const mostListed = 8

// several returns a list for a message.
func several(names []string) string {
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > mostListed:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostListed], ", "), len(names)-mostListed)
	}
	return strings.Join(names, ", ")
}
