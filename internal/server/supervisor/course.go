package supervisor

import "time"

// course is how far a handover is, as the supervisor sees it: what it waits for, and what it does when that takes too long. Every
// wait has a limit, and each step after a limit leaves fewer processes to wait for. TestModel goes through all that supervisor,
// giver and taker can do to each other, crashes and lost messages included, and shows that at most one of them serves state at any
// time, and that in the end one does.
type course int

const (
	underway course = iota // giver and taker are at it
	bereft                 // the taker is gone; the giver sees that, too, and answers
	aborting               // the giver was told to abort, and answers in any case
	deserted               // it hasn't answered, and the taker was killed
	orphaned               // the giver is gone; the taker serves if the plugins were its own by then
	settled                // nothing is left to wait for
)

// signs is what the supervisor sees of giver and taker.
type signs struct {
	reported  bool // the giver has answered
	giverGone bool
	takerGone bool
	serves    bool // the taker has said that it serves
	expired   bool // the limit of the course is over
	stopping  bool // the server is to end
}

// deed is what the supervisor does next.
type deed int

const (
	wait      deed = iota
	goOn           // as the report says
	abort          // tell the giver to abort
	endTaker       // kill it
	endGiver       // kill it; another worker boots from the store
	moveAlone      // the taker serves, and the giver said nothing about it
	giveUp         // the giver is gone, and the taker has nothing
)

// next decides. Only the giver knows whether it can still keep its plugins, so as long as it may answer nothing is done about the
// taker: one that is killed might have everything.
func (c course) next(s signs) (course, deed) {
	switch {
	case s.reported:
		return settled, goOn
	case s.giverGone && s.serves:
		return settled, moveAlone
	case s.giverGone && (s.takerGone || c == orphaned && s.expired):
		return settled, giveUp
	case s.giverGone && c != orphaned:
		return orphaned, wait
	case s.giverGone:
		return c, wait
	}
	switch {
	case (c == underway || c == bereft) && (s.expired || s.stopping):
		return aborting, abort
	case c == underway && s.takerGone:
		return bereft, wait
	case c == aborting && s.expired && s.serves:
		return settled, moveAlone
	case c == aborting && s.expired:
		return deserted, endTaker // if it isn't gone already
	case c == deserted && s.expired:
		return settled, endGiver
	}
	return c, wait
}

// limit returns how long a course may last.
func (s *Supervisor) limit(c course) time.Duration {
	switch c {
	case underway:
		return s.own.Load().HandoverTimeout
	case bereft, aborting: // for both ends to undo what they did
		return 2 * s.limits.grace
	}
	return s.limits.grace
}
