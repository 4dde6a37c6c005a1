package generations

// modelBuffer has the plain stores of one processor that have not reached the memory yet, in order; the rest is 0.
type modelBuffer [4]modelStore

// modelStore sets or clears a word of a generation; 0 is none.
type modelStore int8

const (
	storeAny  = 1 << iota
	storeSets // else it clears
	storeNext // a word of the next generation, else of the old one
	storeOne  // the word of processor 1, else of 0
)

func newModelStore(g, word int8, sets bool) modelStore {
	st := modelStore(storeAny)
	if sets {
		st |= storeSets
	}
	if g == modelNext {
		st |= storeNext
	}
	if word == 1 {
		st |= storeOne
	}
	return st
}

// push is a plain store. It reports whether there is room, among the first depth.
func (b *modelBuffer) push(depth int, st modelStore) bool {
	for i := range b[:depth] {
		if b[i] == 0 {
			b[i] = st
			return true
		}
	}
	return false
}

// store lets the first store of a processor reach the memory.
func (s *modelState) store(processor int) {
	b := &s.buffers[processor]
	first := b[0]
	copy(b[:], b[1:])
	b[len(b)-1] = 0
	for g := range s.words {
		for word := range s.words[g] {
			if first|storeSets == newModelStore(int8(g), int8(word), true) {
				s.words[g][word] = first&storeSets != 0
			}
		}
	}
}

// empty lets all stores of a processor reach the memory.
func (s *modelState) empty(processor int8) {
	for s.buffers[processor][0] != 0 {
		s.store(int(processor))
	}
}

// load is a plain load of a word: a processor sees its own stores at once.
func (s *modelState) load(processor, g, word int8) (set bool) {
	set = s.words[g][word]
	for _, st := range s.buffers[processor] {
		if st|storeSets == newModelStore(g, word, true) {
			set = st&storeSets != 0
		}
	}
	return set
}
