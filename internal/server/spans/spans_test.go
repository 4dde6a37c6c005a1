package spans

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/otlp"
)

const giver, taker = 7, 8

var (
	old, next = generations.ID{1}, generations.ID{2}
	begin     = time.Unix(1000, 0)
)

// story is events of a log at times, in ms.
type story struct {
	log   *events.Log
	maker *Maker
	all   []otlp.Span
}

func newStory(t *testing.T, keeps otlp.Sampler) *story {
	s := &story{log: events.NewLog(begin)}
	s.start(keeps, nil)
	t.Cleanup(func() { s.maker.Close() })
	return s
}

func (s *story) start(keeps otlp.Sampler, from *Saved) {
	s.maker = NewMaker(s.log, keeps, func(spans ...otlp.Span) { s.all = append(s.all, spans...) }, from)
}

func always(otlp.TraceID, *otlp.Parent) bool { return true }

func (s *story) add(ms int, worker int, e generations.Event) {
	e.Time = begin.Add(time.Duration(ms) * time.Millisecond)
	s.log.Add(worker, e)
}

// reload tells of a reload of plugin a in the giver from 100 ms on, up to the phase state.
func (s *story) reload() {
	of := generations.Event{Plugin: "a", From: old, To: next}
	reload := of
	reload.Kind, reload.Phases = generations.KindReload, map[string]time.Duration{"store": 20 * time.Millisecond, "check": 5 * time.Millisecond}
	s.add(125, giver, reload)
	for i, phase := range []string{"probe", "open", "new", "drain", "state"} {
		e := of
		e.Kind, e.Detail = generations.KindPhase, phase
		s.add(125+10*i, giver, e)
	}
}

// end tells of the end of that reload.
func (s *story) end(ms int, worker int, kind generations.Kind, detail string, phases map[string]time.Duration) {
	s.add(ms, worker, generations.Event{Kind: kind, Plugin: "a", From: old, To: next, Detail: detail, Phases: phases})
}

// tree ends the maker and returns the spans as a tree: each with its begin and end in ms, its outcome, and whether it has failed.
func (s *story) tree(t *testing.T) string {
	t.Helper()
	s.maker.Close()
	s.maker = NewMaker(s.log, always, func(...otlp.Span) {}, nil) // for the cleanup
	slices.SortStableFunc(s.all, func(a, b otlp.Span) int { return cmp.Or(a.Start.Compare(b.Start), b.End.Compare(a.End)) })
	var b strings.Builder
	printed := 0
	var print func(parent otlp.SpanID, depth int)
	print = func(parent otlp.SpanID, depth int) {
		for _, span := range s.all {
			if span.Parent != parent || span.Remote && depth > 0 {
				continue
			}
			printed++
			fmt.Fprintf(&b, "%s%s %d-%d", strings.Repeat("  ", depth), span.Name, span.Start.Sub(begin).Milliseconds(), span.End.Sub(begin).Milliseconds())
			for _, a := range span.Attributes {
				if a.Key == "sohost.outcome" {
					fmt.Fprintf(&b, " %s", a.Text)
				}
			}
			if span.Err != "" {
				fmt.Fprintf(&b, ": %s", span.Err)
			}
			fmt.Fprintln(&b)
			print(span.ID, depth+1)
		}
	}
	print(otlp.SpanID{}, 0)
	if printed != len(s.all) {
		t.Errorf("%d of %d spans are within one that isn't there:\n%s", len(s.all)-printed, len(s.all), b.String())
	}
	return b.String()
}

// begun are the phases of reload but for the last one, if nobody tells how long they took.
const begun = `  store 100-120
  check 120-125
  probe 125-135
  open 135-145
  new 145-155
  drain 155-165
`

// check compares the tree with the wanted one, in which an ellipsis stands for begun.
func (s *story) check(t *testing.T, want string) {
	t.Helper()
	want = strings.NewReplacer("\t", "", "  …\n", begun).Replace(strings.TrimPrefix(want, "\n"))
	if got := s.tree(t); got != want {
		t.Errorf("the spans are\n%s\nwant%s", got, want)
	}
}

// TestReload tells of reloads that end in each way.
func TestReload(t *testing.T) {
	took := map[string]time.Duration{
		"store": 20 * time.Millisecond, "check": 5 * time.Millisecond, "probe": 10 * time.Millisecond, "drain": 4 * time.Millisecond,
		"flip": time.Millisecond, "publish": 3 * time.Millisecond,
	}
	for _, test := range []struct {
		name string
		end  func(s *story)
		want string
	}{
		{"deployed", func(s *story) {
			s.add(171, giver, generations.Event{Kind: generations.KindFlip, Plugin: "a", From: old, To: next})
			s.end(180, giver, generations.KindDeploy, "deploy", took)
		}, `
		reload 100-180 deployed
		  store 100-120
		  check 120-125
		  probe 125-135
		  open 135-145
		  new 145-155
		  drain 155-159
		  state 165-170
		  flip 170-171
		  publish 177-180
		`},
		{"refused", func(s *story) { s.end(170, giver, generations.KindRefuse, "state: it panics", nil) }, `
		reload 100-170 refused: it panics
		  …
		  state 165-170: it panics
		`},
		{"abandoned", func(s *story) { s.end(170, giver, generations.KindAbandon, "the client has gone", nil) }, `
		reload 100-170 abandoned: the client has gone
		  …
		  state 165-170: the client has gone
		`},
		{"died", func(s *story) {
			s.add(166, giver+1, generations.Event{Kind: generations.KindWorkerDied, Detail: "another one"})
			s.add(170, giver, generations.Event{Kind: generations.KindWorkerDied, Detail: "exit status 2"})
		}, `
		reload 100-170 died: the worker died: exit status 2
		  …
		  state 165-170: the worker died: exit status 2
		`},
		{"lost", func(s *story) {
			s.log.Lose(1)
			s.end(180, giver, generations.KindDeploy, "deploy", took)
		}, "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStory(t, always)
			s.reload()
			test.end(s)
			s.check(t, test.want)
		})
	}
}

// TestRefusedEarly tells of an image that was refused before it was known that there is to be a reload.
func TestRefusedEarly(t *testing.T) {
	s := newStory(t, always)
	s.end(70, giver, generations.KindRefuse, "store: it is no image", map[string]time.Duration{"store": 20 * time.Millisecond})
	s.check(t, `
	reload 50-70 refused: it is no image
	`)
}

// TestHandover tells of a reload that goes on in a handover, of the pause of the handover, and of what has moved.
func TestHandover(t *testing.T) {
	s := newStory(t, always)
	s.reload()
	s.end(170, giver, generations.KindDefer, "it needs a new process", nil)
	s.add(172, 0, generations.Event{Kind: generations.KindHandoverBegins, Detail: "deploy of a"})
	for i, phase := range []string{"prepare", "ahead", "drain", "state", "commit", "publish"} {
		s.add(180+10*i, giver, generations.Event{Kind: generations.KindPhase, Detail: phase})
	}
	s.end(240, taker, generations.KindDeploy, "deploy", map[string]time.Duration{"open": time.Second})
	s.maker.Report(&sohost.Handover{
		Giver: giver, Taker: taker, Waited: &sohost.Waited{Calls: 3, Max: 7},
		Moves: []sohost.Move{{Plugin: "a", From: old, To: next, State: sohost.StateMove{Way: sohost.WayHandover, Bytes: 5, Lost: []string{"x"}}}},
	})
	s.add(250, taker, generations.Event{Kind: generations.KindHandover, Detail: "deploy of a", Phases: map[string]time.Duration{
		"prepare": 10 * time.Millisecond, "commit": 4 * time.Millisecond, "publish": 15 * time.Millisecond,
	}})
	s.check(t, `
	reload 100-240 deployed
	  …
	  state 165-170
	  handover 172-250 handed over
	    prepare 180-190
	    ahead 190-200
	    pause 200-224
	      drain 200-210
	      state 210-220
	      commit 220-224
	    publish 230-245
	`)
	pause := s.all[slices.IndexFunc(s.all, func(s otlp.Span) bool { return s.Name == "pause" })]
	if text := fmt.Sprint(pause.Events); len(pause.Events) != 1 || !strings.Contains(text, "handover") || !strings.Contains(text, "[x]") {
		t.Errorf("in the pause has moved %s", text)
	}
	if text := fmt.Sprint(pause.Attributes); !strings.Contains(text, "sohost.waited.calls") {
		t.Errorf("of those who waited it says %s", text)
	}
}

// TestHandoverFails tells of handovers that fail: while they go on, and before they have begun.
func TestHandoverFails(t *testing.T) {
	s := newStory(t, always)
	s.add(10, 0, generations.Event{Kind: generations.KindHandoverBegins, Detail: "test"})
	s.add(20, giver, generations.Event{Kind: generations.KindPhase, Detail: "prepare"})
	s.add(30, 0, generations.Event{Kind: generations.KindHandoverFailed, Detail: "test: no memory"})
	s.add(40, 0, generations.Event{Kind: generations.KindHandoverFailed, Detail: "test: no such program"})
	s.check(t, `
	handover 10-30 failed: test: no memory
	  prepare 20-30: test: no memory
	handover 40-40 failed: test: no such program
	`)
}

// TestSuperseded ends a reload that went on in a handover which has not made it, when the new worker begins it again.
func TestSuperseded(t *testing.T) {
	s := newStory(t, always)
	s.end(100, giver, generations.KindReload, "", nil)
	s.end(110, giver, generations.KindDefer, "it needs a new process", nil)
	s.end(120, taker, generations.KindReload, "", nil)
	s.end(130, taker, generations.KindDeploy, "deploy", nil)
	s.check(t, `
	reload 100-120 superseded
	reload 120-130 deployed
	`)
}

// TestTrace makes a reload a part of the trace of who has ordered it, if that is kept.
func TestTrace(t *testing.T) {
	parent := otlp.Parent{Trace: otlp.NewTraceID(), Span: otlp.NewSpanID(), Sampled: true}
	var asked []bool
	s := newStory(t, func(_ otlp.TraceID, p *otlp.Parent) bool {
		asked = append(asked, p != nil)
		return p != nil && p.Sampled
	})
	for _, trace := range []string{parent.String(), otlp.Parent{Trace: parent.Trace, Span: parent.Span}.String(), ""} {
		s.add(1, giver, generations.Event{Kind: generations.KindRefuse, Plugin: "a", To: next, Detail: "check: no", Trace: trace})
	}
	s.maker.Close()
	s.start(always, nil)
	if len(s.all) != 1 || s.all[0].Trace != parent.Trace || s.all[0].Parent != parent.Span || !s.all[0].Remote || !slices.Equal(asked, []bool{true, true, false}) {
		t.Errorf("of %v come the spans %+v", asked, s.all)
	}
}

// TestGoOn ends in the middle of a reload and a handover, and another maker goes on there.
func TestGoOn(t *testing.T) {
	s := newStory(t, always)
	s.reload()
	s.add(170, 0, generations.Event{Kind: generations.KindHandoverBegins, Detail: "test"})
	text, err := json.Marshal(s.maker.Close())
	if err != nil {
		t.Fatal(err)
	}
	saved := new(Saved)
	if err := json.Unmarshal(text, saved); err != nil {
		t.Fatal(err)
	}
	s.add(175, 0, generations.Event{Kind: generations.KindHandoverFailed, Detail: "no"}) // nobody reads it now
	s.start(always, saved)
	s.end(180, giver, generations.KindDeploy, "deploy", nil)
	s.check(t, `
	reload 100-180 deployed
	  …
	  state 165-180
	handover 170-175 failed: no
	`)
}

// TestCloseReads closes a maker just after an event that it hasn't read yet.
func TestCloseReads(t *testing.T) {
	m := &Maker{log: events.NewLog(begin), finish: make(chan struct{})}
	_, _, changed := m.log.Since(0)
	m.log.Add(0, generations.Event{Kind: generations.KindStop})
	close(m.finish)
	for range 100 { // both have happened
		if !m.wait(changed) {
			t.Fatal("it ends and leaves an event unread")
		}
	}
	_, _, changed = m.log.Since(1)
	if m.state.At = m.log.Last(); m.wait(changed) {
		t.Error("it doesn't end when there is nothing more to read")
	}
}
