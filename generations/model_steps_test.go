package generations

import "slices"

// The labels of modelCaller.
const (
	callLoad = iota
	callAsk  // only with the breach askFirst
	callAdd
	callInside
	callSubtract
	callRead
	callSignal
	callClaim // where words are claimed, callers go this way
	callCheck
	callClear
	callMore
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
		switch {
		case m.breach.askFirst:
			return s.to(i, callAsk)
		case m.claimed:
			return s.moved(i, callClaim)
		}
		return s.to(i, callAdd)
	},
	callAsk: func(m *model, s modelState, i int) []modelState {
		s.everyone[i].answer = *m.shard(&s, i) >= 0
		if m.claimed {
			return s.moved(i, callClaim)
		}
		return s.to(i, callAdd)
	},
	callAdd: func(m *model, s modelState, i int) []modelState {
		p, c := &s.everyone[i], m.shard(&s, i)
		s.empty(p.on)
		*c++
		p.holds = *c > 0 || p.answer
		return s.got(m, i, callSubtract)
	},
	callInside: func(m *model, s modelState, i int) []modelState {
		s.everyone[i].answer = m.breach.lookFirst && s.waiting
		if s.everyone[i].word > 0 {
			return s.moved(i, callClear)
		}
		return s.to(i, callSubtract)
	},
	callSubtract: func(m *model, s modelState, i int) []modelState {
		p, c := &s.everyone[i], m.shard(&s, i)
		s.empty(p.on)
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
	callClaim: func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		word := p.on
		if m.breach.sameWord {
			word = 0
		}
		if !s.claiming || s.load(p.on, p.g, word) {
			return s.to(i, callAdd)
		}
		if !s.buffers[p.on].push(m.depth, newModelStore(p.g, word, true)) {
			return nil
		}
		p.word = 1 + word
		return s.to(i, callCheck)
	},
	callCheck: func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		p.holds = s.shards[p.g][int(p.word-1)%m.shards] >= 0 || p.answer
		return s.got(m, i, callClear)
	},
	callClear: func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		if !s.buffers[p.on].push(m.depth, newModelStore(p.g, p.word-1, false)) {
			return nil
		}
		mute := m.breach.silent && !p.holds
		if p.holds {
			p.calls++
			p.holds, p.begun, p.late = false, false, false
		}
		p.word = 0
		if mute {
			return s.to(i, callLoad)
		}
		return s.to(i, callMore)
	},
	callMore: func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		if p.answer || s.waiting && !m.breach.lookFirst {
			if !m.breach.unseen {
				s.empty(p.on)
			}
			s.wake = true
		}
		p.answer = false
		return s.to(i, callLoad)
	},
}

// got is to for a caller who has a lease or has come too late, and takes that back.
func (s modelState) got(m *model, i int, back int8) []modelState {
	p := &s.everyone[i]
	p.answer = false
	switch {
	case p.holds:
		s.nextGot = s.nextGot || p.g == modelNext
		return s.to(i, callInside)
	case m.breach.kept:
		p.word = 0
		return s.to(i, callLoad)
	}
	return s.to(i, back)
}

// moved is to on either processor. Where the scheduler moves a goroutine, there are atomic operations on both sides.
func (s modelState) moved(i int, label int8) []modelState {
	there := s
	p := &there.everyone[i]
	there.empty(p.on)
	p.on = 1 - p.on
	return append(s.to(i, label), there.to(i, label)...)
}

func (s modelState) to(i int, label int8) []modelState {
	p := &s.everyone[i]
	if p.pc = label; label == callLoad { // what it begins with doesn't matter
		p.g, p.on = 0, 0
	}
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
	"registration":            {steps(leaves(modelNext), drains(false)), registers},
}

// registers lets words be claimed, as expectFence does.
var registers = steps(
	anytime(func(m *model, s *modelState, p *modelProc) { s.fencing = !m.breach.early }),
	anytime(func(m *model, s *modelState, p *modelProc) { s.claiming = true }),
	anytime(func(m *model, s *modelState, p *modelProc) { s.fencing = true }))

// registers reports whether it is one of the owners' programs.
func (m *model) registers() bool {
	return slices.ContainsFunc(m.owners, func(program []step) bool { return &program[0] == &registers[0] })
}

// fences empties the buffers, once that is to be done.
var fences = anytime(func(m *model, s *modelState, p *modelProc) {
	if s.fencing && !m.breach.unfenced {
		for i := range s.buffers {
			s.empty(int8(i))
		}
	}
})

func steps(parts ...[]step) (program []step) {
	for _, p := range parts {
		program = append(program, p...)
	}
	return program
}

// anytime is a step that can be done at any time.
func anytime(do func(m *model, s *modelState, p *modelProc)) []step {
	return []step{func(m *model, s modelState, i int) []modelState {
		p := &s.everyone[i]
		do(m, &s, p)
		p.pc++
		return []modelState{s}
	}}
}

// locks is anytime, once nobody has the mutex.
func locks(do func(m *model, s *modelState, p *modelProc)) []step {
	free := anytime(do)[0]
	return []step{func(m *model, s modelState, i int) []modelState {
		if s.locked {
			return nil
		}
		return free(m, s, i)
	}}
}

func sets(current int8) []step {
	return anytime(func(m *model, s *modelState, p *modelProc) { s.current = current })
}

func adds(shard int, n int64) []step {
	return anytime(func(m *model, s *modelState, p *modelProc) {
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
		anytime(func(m *model, s *modelState, p *modelProc) { s.locked = false }))
}

// enters puts the old generation back, as Swap and Gate.Open do.
func enters() []step {
	return steps(
		locks(func(m *model, s *modelState, p *modelProc) {
			s.locked, s.live, s.drained = true, true, false
			s.entered++
		}),
		adds(0, -barred), adds(1, -barred),
		anytime(func(m *model, s *modelState, p *modelProc) {
			s.wake = s.wake || !m.breach.unwoken
			s.locked = false
		}),
		sets(modelOld))
}

// drains waits for the leases on the old generation, as Drain does. It may give up if so wanted.
func drains(mayFail bool) []step {
	return steps(
		locks(func(m *model, s *modelState, p *modelProc) { p.failed, p.entered = s.live, s.entered }),
		anytime(func(m *model, s *modelState, p *modelProc) { s.waiting = !p.failed && !m.breach.waitLate }),
		fences,
		awaits(0, false, mayFail), awaits(0, true, mayFail), awaits(1, false, mayFail), awaits(1, true, mayFail),
		anytime(func(m *model, s *modelState, p *modelProc) { s.waiting = false }),
		locks(func(m *model, s *modelState, p *modelProc) {
			if !p.failed && (p.entered == s.entered || m.breach.stale) {
				s.drained = true
			}
			p.failed, p.entered = false, 0
		}))
}

// awaits waits until a shard counts no lease, or its word is none.
func awaits(shard int, word, mayFail bool) []step {
	return []step{func(m *model, s modelState, i int) (next []modelState) {
		p := &s.everyone[i]
		none := heldBy(s.shards[modelOld][shard]) == 0
		if word {
			none = !s.words[modelOld][shard]
		}
		switch {
		case p.asleep && s.wake && !s.locked: // to ask whether it was put back, it takes the mutex
			woken := s
			woken.wake = false
			woken.everyone[i].asleep, woken.everyone[i].failed = false, p.entered != s.entered
			next = append(next, woken)
		case p.asleep:
		case p.failed, m.breach.oneShard && shard > 0, !p.late && none:
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
