package supervisor

// rules are the guards of the protocol, which a mutation leaves out.
type rules struct {
	next      func(course, signs) (course, deed)
	undo      bool // a giver that has sent the states ends the taker before it goes on
	given     bool // a giver that has sent yours never goes on
	waitYours bool // a taker serves only when the giver says so
	killTaker bool // the supervisor ends the taker of a handover that failed
	killHung  bool // the supervisor ends what doesn't answer
	lock      bool // the next server waits for both workers of one whose supervisor has died
}

func allRules() rules {
	return rules{course.next, true, true, true, true, true, true}
}

// step is a transition with its name.
type step struct {
	name  string
	fault bool
	to    modelState
}

// steps returns all transitions out of a state.
func (r rules) steps(s modelState) (out []step) {
	if s.current == allGone {
		return nil
	}
	do := func(name string, change func(*modelState)) {
		to := s
		change(&to)
		out = append(out, step{name: name, to: to})
	}
	fault := func(name string, change func(*modelState)) {
		if s.faults == 0 {
			return
		}
		to := s
		to.faults--
		change(&to)
		out = append(out, step{name, true, to})
	}
	r.giverSteps(s, do)
	r.takerSteps(s, do)
	r.supervisorSteps(s, do)
	if s.giverLife == lives {
		fault("giver dies", func(n *modelState) { n.giverLife = dead })
		fault("giver hangs", func(n *modelState) { n.giverLife = hangs })
	}
	if s.takerLife == lives {
		fault("taker dies", func(n *modelState) { n.takerLife = dead })
		fault("taker hangs", func(n *modelState) { n.takerLife = hangs })
	}
	for name, of := range map[string]func(*modelState) *queue{
		"to giver": func(n *modelState) *queue { return &n.toGiver }, "from giver": func(n *modelState) *queue { return &n.fromGiver },
		"to taker": func(n *modelState) *queue { return &n.toTaker }, "from taker": func(n *modelState) *queue { return &n.fromTaker },
		"serves": func(n *modelState) *queue { return &n.serves },
	} {
		if of(&s)[0] != none {
			fault("message is lost: "+name, func(n *modelState) { of(n).pop() })
		}
	}
	if s.current == noOne {
		return out
	}
	fault("supervisor dies", func(n *modelState) { n.current = noOne })
	if !s.stopping {
		fault("the server is stopped", func(n *modelState) { n.stopping = true })
	}
	return out
}

// giverEnds reports whether the giver has closed its end, or the kernel did.
func (s modelState) giverEnds() bool {
	return s.giverLife == dead || s.giver == gUndoing || s.giver == gKept || s.giver == gReported
}

func (s modelState) takerEnds() bool { return s.takerLife == dead }

func (r rules) giverSteps(s modelState, do func(string, func(*modelState))) {
	if s.giverLife != lives {
		return
	}
	fail := func(n *modelState) {
		switch {
		case n.given && r.given: // awaitServing: a warning
			n.giver = gReported
			n.fromGiver.push(mGiven)
		case n.started && r.undo:
			n.giver = gUndoing
		default:
			n.giver = gKept
			n.fromGiver.push(mKept)
		}
	}
	switch s.toGiver[0] { // worker.obey
	case mGive:
		do("giver gets its order", func(n *modelState) { n.toGiver.pop(); n.giver = gOrdered })
		do("giver gets its order without files", func(n *modelState) { n.toGiver.pop(); fail(n) })
	case mAbort:
		do("giver is told to abort", func(n *modelState) { n.toGiver.pop(); n.undoes = true })
	}
	heard := s.fromTaker[0]
	next := func(name string, want int8, then func(*modelState)) {
		switch {
		case heard == want:
			do(name, func(n *modelState) { n.fromTaker.pop(); then(n) })
		case heard != none:
			do("giver hears something else", func(n *modelState) { n.fromTaker.pop(); fail(n) })
		case s.takerEnds():
			do("giver sees the taker's end", fail)
		}
		if s.undoes {
			do("giver aborts", fail)
		}
	}
	switch s.giver {
	case gOrdered:
		do("giver sends the plan", func(n *modelState) { n.giver = gPlanned; n.toTaker.push(mPlan) })
		do("giver fails", fail)
	case gPlanned:
		next("giver hears prepared", mPrepared, func(n *modelState) { n.giver = gDrained })
	case gDrained: // its own limits bound this step
		do("giver sends states", func(n *modelState) { n.giver, n.started = gExported, true; n.toTaker.push(mStates) })
		do("giver fails", fail)
	case gExported:
		next("giver hears accepted", mAccepted, func(n *modelState) { n.giver = gAccepted })
		do("giver waits no longer for accepted", fail)
	case gAccepted:
		if s.takerEnds() {
			do("giver can't send yours", fail)
		} else {
			do("giver sends yours", func(n *modelState) { n.giver, n.given = gGiven, true; n.toTaker.push(mYours) })
		}
	case gGiven:
		next("giver hears serving", mServing, func(n *modelState) { n.giver = gReported; n.fromGiver.push(mGiven) })
	case gUndoing:
		if s.takerLife == dead {
			do("giver goes on", func(n *modelState) { n.giver = gKept; n.fromGiver.push(mKept) })
		} else {
			do("giver kills the taker", func(n *modelState) { n.takerLife = dead })
		}
	}
}

func (r rules) takerSteps(s modelState, do func(string, func(*modelState))) {
	if s.takerLife != lives {
		return
	}
	fail := func(n *modelState) { n.taker, n.ownStarted = tFailed, false }
	next := func(name string, want int8, then func(*modelState)) {
		switch heard := s.toTaker[0]; {
		case heard == want:
			do(name, func(n *modelState) { n.toTaker.pop(); then(n) })
		case heard != none:
			do("taker hears something else", func(n *modelState) { n.toTaker.pop(); fail(n) })
		case s.giverEnds():
			do("taker sees the giver's end", fail)
		}
	}
	switch s.taker {
	case tBegun:
		next("taker hears the plan", mPlan, func(n *modelState) { n.taker = tPlanned })
	case tPlanned:
		do("taker is prepared", func(n *modelState) { n.taker = tPrepared; n.fromTaker.push(mPrepared) })
		do("taker fails", fail)
	case tPrepared:
		next("taker has the states", mStates, func(n *modelState) { n.taker = tStates })
		do("taker waits no longer for states", fail)
	case tStates:
		do("taker calls Start", func(n *modelState) { n.taker, n.ownStarted = tStarted, true })
		do("taker fails", fail)
	case tStarted:
		do("taker accepts", func(n *modelState) {
			n.taker = tAccepted
			if !r.waitYours {
				n.taker = tServes
			}
			n.fromTaker.push(mAccepted)
		})
		do("taker fails", fail)
	case tAccepted:
		next("taker hears yours", mYours, func(n *modelState) { n.taker = tServes })
	case tServes:
		do("taker says that it serves", func(n *modelState) { n.taker = tSaid; n.fromTaker.push(mServing); n.serves.push(mServes) })
	case tFailed:
		do("taker ends", func(n *modelState) { n.takerLife = dead; n.fromTaker.push(mFailed) })
	}
}

// orphanSteps are those of workers without a supervisor, and of the next server.
func (r rules) orphanSteps(s modelState, do func(string, func(*modelState))) {
	if s.giverLife == dead && s.takerLife == dead || !r.lock {
		do("the next server starts a worker", func(n *modelState) { n.current = another })
	}
	switch {
	case s.giverLife == hangs, s.giverLife == lives && (s.giver == gIdle || s.giver == gKept || s.giver == gReported):
		do("giver finishes", func(n *modelState) { n.giverLife = dead })
	case s.giverLife == lives && !s.undoes: // a handover is aborted if it can be
		do("giver is without a supervisor", func(n *modelState) { n.undoes = true })
	}
	switch {
	case s.takerLife == hangs, s.takerLife == lives && (s.taker == tServes || s.taker == tSaid):
		do("taker finishes", func(n *modelState) { n.takerLife = dead })
	case s.takerLife == lives && s.taker < tAccepted:
		do("taker is without a supervisor", func(n *modelState) { n.taker, n.ownStarted = tFailed, false })
	}
}

func (r rules) supervisorSteps(s modelState, do func(string, func(*modelState))) {
	if s.current == noOne {
		r.orphanSteps(s, do)
		return
	}
	if s.stopping { // Supervisor.late
		do("supervisor ends everything", func(n *modelState) { n.giverLife, n.takerLife, n.current = dead, dead, allGone })
	}
	switch s.current {
	case theGiver:
		if s.giverLife == dead || s.giverLife == hangs && r.killHung {
			do("supervisor starts another", func(n *modelState) { n.giverLife, n.current = dead, another })
		}
		return
	case theTaker:
		if s.takerLife == dead || s.takerLife == hangs && r.killHung {
			do("supervisor starts another", func(n *modelState) { n.takerLife, n.current = dead, another })
		}
		if s.giverLife != dead { // drain
			do("the old worker ends", func(n *modelState) { n.giverLife = dead })
		}
		return
	case another:
		return
	}
	see := func(name string, change func(*signs), pop func(*modelState)) {
		do(name, func(n *modelState) {
			if pop != nil {
				pop(n)
			}
			change(&n.seen)
			r.decide(n, s.fromGiver[0])
		})
	}
	if s.fromGiver[0] != none {
		see("supervisor hears the report", func(g *signs) { g.reported = true }, func(n *modelState) { n.fromGiver.pop() })
	} else if s.giverLife == dead && !s.seen.giverGone {
		see("supervisor sees the giver's end", func(g *signs) { g.giverGone = true }, nil)
	}
	if s.serves[0] != none && !s.seen.serves {
		see("supervisor hears that the taker serves", func(g *signs) { g.serves = true }, func(n *modelState) { n.serves.pop() })
	} else if s.takerLife == dead && !s.seen.takerGone {
		see("supervisor sees the taker's end", func(g *signs) { g.takerGone = true }, nil)
	}
	if s.stopping && !s.seen.stopping {
		see("supervisor is told to stop", func(g *signs) { g.stopping = true }, nil)
	}
	if r.killHung && s.giverLife == hangs {
		do("supervisor ends the giver that hangs", func(n *modelState) { n.giverLife = dead })
	}
	if r.killHung && s.takerLife == hangs {
		do("supervisor ends the taker that hangs", func(n *modelState) { n.takerLife = dead })
	}
	if to, deed := r.next(s.course, with(s.seen, func(g *signs) { g.expired = true })); to != s.course || deed != wait {
		see("a limit of the supervisor is over", func(g *signs) { g.expired = true }, nil)
	}
}

func with(s signs, change func(*signs)) signs { change(&s); return s }

// decide does what the course of the handover says.
func (r rules) decide(n *modelState, report int8) {
	to, deed := r.next(n.course, n.seen)
	n.course, n.seen.expired = to, false
	failed := func() {
		if r.killTaker {
			n.takerLife = dead
		}
		n.current = theGiver // supervise notices if it is gone
	}
	switch deed {
	case goOn:
		if report == mGiven {
			n.current = theTaker
		} else {
			failed()
		}
	case abort:
		n.toGiver.push(mAbort)
	case endTaker:
		n.takerLife = dead
	case endGiver:
		n.giverLife = dead
		failed()
	case moveAlone:
		n.current = theTaker
	case giveUp:
		failed()
	}
}
