package sohost

import (
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
)

// answerBounds are the upper bounds of the buckets in which the durations of requests are counted.
var answerBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// Answers counts requests that were answered.
type Answers struct {
	// ByClass is how many got which class of status: element 2 counts 2xx, and element 1 also connections that the plugin took over.
	// A request that panicked is in none of them if nothing was answered yet.
	ByClass [6]int64 `json:"by_class"`

	// Panics is how many ended in a panic of the plugin, or ended their goroutine.
	Panics int64 `json:"panics,omitempty"`
}

// Durations is a histogram of how long requests took, in a worker.
type Durations struct {
	Bounds []time.Duration `json:"bounds_ns"` // upper bounds of the buckets, ascending
	Counts []int64         `json:"counts"`    // of each bucket, and at last of longer ones
	Sum    time.Duration   `json:"sum_ns"`
}

// GenerationAnswers counts the requests of one generation.
type GenerationAnswers struct {
	ID generations.ID `json:"id"`
	Answers
}

// tally is Answers and Durations as they are counted.
type tally struct {
	Answers
	buckets [len(answerBounds) + 1]int64
	sum     time.Duration
}

// count adds one request.
func (t *tally) count(status int, panicked bool, took time.Duration) {
	switch {
	case status >= 100 && status < 600:
		t.ByClass[status/100]++
	case !panicked:
		t.ByClass[2]++ // net/http's answer for a handler that names none
	}
	if panicked {
		t.Panics++
	}
	bucket := 0
	for bucket < len(answerBounds) && took > answerBounds[bucket] {
		bucket++
	}
	t.buckets[bucket]++
	t.sum += took
}

func (t *tally) add(o *tally) {
	for i := range t.ByClass {
		t.ByClass[i] += o.ByClass[i]
	}
	for i := range t.buckets {
		t.buckets[i] += o.buckets[i]
	}
	t.Panics += o.Panics
	t.sum += o.sum
}

// tally returns what was counted so far.
func (rs *requests) tally() (sum tally) {
	for i := range rs.parts {
		part := &rs.parts[i]
		part.mu.Lock()
		sum.add(&part.tally)
		part.mu.Unlock()
	}
	return sum
}

// shownAnswers is how many generations that have retired still show what they have answered, so that monitoring which asks now and then
// misses nothing.
const shownAnswers = 4

// answered is what a plugin's generations have answered. A generation is in one of the two lists from before its first call on, so no
// request is ever missing in the sum.
type answered struct {
	running []*generations.Generation[*loaded] // those that are not retired, the oldest first
	retired []GenerationAnswers                // at most shownAnswers and those of images that run, the newest first
	all     tally                              // of all that have retired
}

// enter notes that a generation is to serve.
func (a *answered) enter(g *generations.Generation[*loaded]) {
	if !slices.Contains(a.running, g) { // it may have been put back
		a.running = append(a.running, g)
	}
}

// retire notes that a generation has had its last call.
func (a *answered) retire(g *generations.Generation[*loaded]) {
	t := g.Value().requests.tally()
	a.running = slices.DeleteFunc(a.running, func(o *generations.Generation[*loaded]) bool { return o == g })
	a.all.add(&t)
	a.retired = front(slices.Clone(a.retired), g.ID(), t.Answers)
	for i := len(a.retired) - 1; len(a.retired) > shownAnswers && i >= 0; i-- {
		if !a.runs(a.retired[i].ID) { // what an image has answered that runs again is a part of its sum
			a.retired = slices.Delete(a.retired, i, i+1)
		}
	}
}

// runs reports whether a generation of an image isn't retired.
func (a *answered) runs(id generations.ID) bool {
	return slices.ContainsFunc(a.running, func(g *generations.Generation[*loaded]) bool { return g.ID() == id })
}

// front puts an image's answers in front, with those that it has already.
func front(list []GenerationAnswers, id generations.ID, more Answers) []GenerationAnswers {
	if i := slices.IndexFunc(list, func(g GenerationAnswers) bool { return g.ID == id }); i >= 0 {
		sum := tally{Answers: more}
		sum.add(&tally{Answers: list[i].Answers})
		more, list = sum.Answers, slices.Delete(list, i, i+1)
	}
	return slices.Insert(list, 0, GenerationAnswers{id, more})
}

// now returns what was answered so far, by generation with the newest first, and how long it took. Both are nil if there was nothing.
func (a *answered) now() ([]GenerationAnswers, *Durations) {
	list, all := slices.Clone(a.retired), a.all
	for _, g := range a.running {
		t := g.Value().requests.tally()
		all.add(&t)
		list = front(list, g.ID(), t.Answers)
	}
	if all.Answers == (Answers{}) {
		return nil, nil
	}
	return list, &Durations{Bounds: answerBounds[:], Counts: slices.Clone(all.buckets[:]), Sum: all.sum}
}
