package generations

// The labels of modelCaller.
const (
	callLoad = iota
	callAsk  // only with the breach askFirst
	callAdd
	callInside
	callSubtract
	callRead
	callSignal
	callDone
)

// modelCaller makes calls, as Acquire and Release do.
var modelCaller = []step{
	callLoad: func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		switch p.g = s.current; {
		case p.calls == m.calls:
			return s.to(i, callDone)
		case p.g == modelGate: // it waits there
			return nil
		case !p.begun:
			p.begun, p.late = true, s.nextGot
		}
		if m.breach.askFirst {
			return s.to(i, callAsk)
		}
		return s.to(i, callAdd)
	},
	callAsk: func(m *model, s modelState, i int) []modelState {
		s.everyone[i].answer = *m.shard(&s, i) >= 0
		return s.to(i, callAdd)
	},
	callAdd: func(m *model, s modelState, i int) []modelState {
		p, c := &s.everyone[i], m.shard(&s, i)
		*c++
		p.holds = *c > 0 || p.answer
		p.answer = false
		switch {
		case p.holds:
			s.nextGot = s.nextGot || p.g == modelNext
			return s.to(i, callInside)
		case m.breach.kept:
			return s.to(i, callLoad)
		}
		return s.to(i, callSubtract)
	},
	callInside: func(m *model, s modelState, i int) []modelState {
		s.everyone[i].answer = m.breach.lookFirst && s.waiting
		return s.to(i, callSubtract)
	},
	callSubtract: func(m *model, s modelState, i int) []modelState {
		p, c := &s.everyone[i], m.shard(&s, i)
		*c--
		mute := m.breach.silent && !p.holds
		if p.holds {
			p.calls++
			p.holds, p.begun, p.late = false, false, false
		}
		if *c < 0 && !mute {
			return s.to(i, callRead)
		}
		p.answer = false
		return s.to(i, callLoad)
	},
	callRead: func(m *model, s modelState, i int) []modelState {
		if *m.shard(&s, i) == barred {
			return s.to(i, callSignal)
		}
		s.everyone[i].answer = false
		return s.to(i, callLoad)
	},
	callSignal: func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		if p.answer || s.waiting && !m.breach.lookFirst {
			s.wake = true
		}
		p.answer = false
		return s.to(i, callLoad)
	},
}

func (s modelState) to(i int, label int8) []modelState {
	s.everyone[i].pc = label
	return []modelState{s}
}

// shard returns the shard that a caller uses. Only the old generation is ever barred.
func (m *model) shard(s *modelState, i int) *int64 {
	return &s.shards[s.everyone[i].g][i%m.shards]
}

// modelOwners are the programs of the owners. In the last one, one drains while the other puts back.
var modelOwners = map[string][][]step{
	"swap":                    {steps(leaves(modelNext), drains(false))},
	"gate":                    {steps(leaves(modelGate), drains(false), sets(modelNext))},
	"put back":                {steps(leaves(modelGate), drains(true), enters(), leaves(modelNext), drains(false))},
	"put back beside a drain": {steps(leaves(modelNext), enters()), drains(false)},
}

func steps(parts ...[]step) (program []step) {
	for _, p := range parts {
		program = append(program, p...)
	}
	return program
}

// always is a step that can be done at any time.
func always(do func(m *model, s *modelState, p *modelProc)) []step {
	return []step{func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		do(m, &s, p)
		p.pc++
		return []modelState{s}
	}}
}

// locks is always, once nobody has the mutex.
func locks(do func(m *model, s *modelState, p *modelProc)) []step {
	free := always(do)[0]
	return []step{func(m *model, s modelState, i int) []modelState {
		if s.locked {
			return nil
		}
		return free(m, s, i)
	}}
}

func sets(current int8) []step {
	return always(func(m *model, s *modelState, p *modelProc) { s.current = current })
}

func adds(shard int, n int64) []step {
	return always(func(m *model, s *modelState, p *modelProc) {
		if !m.breach.unbarred {
			s.shards[modelOld][shard] += n
		}
	})
}

// leaves makes something else current than the old generation, as Swap and Slot.Gate do.
func leaves(current int8) []step {
	return steps(sets(current),
		locks(func(m *model, s *modelState, p *modelProc) { s.locked, s.live = true, false }),
		adds(0, barred), adds(1, barred),
		always(func(m *model, s *modelState, p *modelProc) { s.locked = false }))
}

// enters puts the old generation back, as Swap and Gate.Open do.
func enters() []step {
	return steps(
		locks(func(m *model, s *modelState, p *modelProc) {
			s.locked, s.live, s.drained = true, true, false
			s.entered++
		}),
		adds(0, -barred), adds(1, -barred),
		always(func(m *model, s *modelState, p *modelProc) {
			s.wake = s.wake || !m.breach.unwoken
			s.locked = false
		}),
		sets(modelOld))
}

// drains waits for the leases on the old generation, as Drain does. It may give up if so wanted.
func drains(mayFail bool) []step {
	return steps(
		locks(func(m *model, s *modelState, p *modelProc) { p.failed, p.entered = s.live, s.entered }),
		always(func(m *model, s *modelState, p *modelProc) { s.waiting = !p.failed && !m.breach.waitLate }),
		awaits(0, mayFail), awaits(1, mayFail),
		always(func(m *model, s *modelState, p *modelProc) { s.waiting = false }),
		locks(func(m *model, s *modelState, p *modelProc) {
			if !p.failed && (p.entered == s.entered || m.breach.stale) {
				s.drained = true
			}
			p.failed, p.entered = false, 0
		}))
}

// awaits waits until a shard shows no lease.
func awaits(shard int, mayFail bool) []step {
	return []step{func(m *model, s modelState, i int) (next []modelState) {
		p := &s.everyone[i]
		switch {
		case p.asleep && s.wake && !s.locked: // to ask whether it was put back, it takes the mutex
			woken := s
			woken.wake = false
			woken.everyone[i].asleep, woken.everyone[i].failed = false, p.entered != s.entered
			next = append(next, woken)
		case p.asleep:
		case p.failed, m.breach.oneShard && shard > 0, !p.late && heldBy(s.shards[modelOld][shard]) == 0:
			return s.to(i, p.pc+1)
		case m.breach.waitLate && !p.late:
			p.late = true
			return []modelState{s}
		default:
			p.asleep, p.late = true, false
			s.waiting = s.waiting || m.breach.waitLate
			return []modelState{s}
		}
		if mayFail && p.asleep {
			p.asleep, p.failed = false, true
			next = append(next, s)
		}
		return next
	}}
}
