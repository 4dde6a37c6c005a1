package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/terminal"
	"golang.org/x/sys/unix"
)

// statusWatch shows the status of a server again and again.
type statusWatch struct {
	client *control.Client
	filter statusFilter
	out    io.Writer
	asJSON bool

	facts   map[string]string // what was shown last, by what it is about
	drawing bool              // the terminal's other screen is in use
}

const (
	watchEvery  = 10 * time.Second       // how often the server is asked without an event: numbers change without one
	watchPause  = 100 * time.Millisecond // at least between two questions: a reload has about ten events
	watchSilent = 3 * time.Second        // before a server that doesn't answer is said not to
	watchRetry  = time.Second            // before a server that is gone is asked again
)

// run shows the status until ctx ends. It fails if the server doesn't answer at first; later it waits for one that does.
func (w *statusWatch) run(ctx context.Context) error {
	s, err := w.client.Status(ctx)
	if err != nil {
		return err
	}
	w.client.Patience = control.Patience{Answer: cmp.Or(w.client.Patience.Answer, watchSilent)} // show says what is wrong
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	defer w.leave()
	ctx, cancel := context.WithCancel(ctx)
	happened := make(chan struct{}, 1)
	var listening sync.WaitGroup
	listening.Go(func() { w.listen(ctx, happened) })
	defer listening.Wait()
	defer cancel()
	for {
		if err := w.show(s, err); err != nil {
			return err
		}
		again := time.After(watchEvery)
		if err != nil {
			again = time.After(watchRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
			continue
		case <-happened:
			time.Sleep(watchPause)
		case <-again:
		}
		answer, failed := w.client.Status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err = failed; err == nil {
			s = answer
		}
	}
}

// listen notes in happened, which has room for one, that there was an event or the server went, until ctx ends.
func (w *statusWatch) listen(ctx context.Context, happened chan<- struct{}) {
	note := func() {
		select {
		case happened <- struct{}{}:
		default:
		}
	}
	for {
		w.client.Events(ctx, control.EventsRequest{}, func(control.Message) error { // run reports what is wrong
			note()
			return nil
		})
		note()
		select {
		case <-time.After(watchRetry):
		case <-ctx.Done():
			return
		}
	}
}

// show shows a status, the last one if there was no answer because of gone.
func (w *statusWatch) show(s control.Status, gone error) error {
	if !w.asJSON && terminal.LookOf(w.out).Redraws {
		return w.draw(s, gone)
	}
	facts := w.factsOf(s, gone)
	changed := changedFacts(w.facts, facts, gone == nil && s.Unknown == "" && s.Worker != nil)
	w.facts = facts
	if w.asJSON {
		if len(changed) == 0 || gone != nil {
			return nil
		}
		return json.NewEncoder(w.out).Encode(w.filter.of(s))
	}
	for _, line := range changed {
		if _, err := fmt.Fprintf(w.out, "%s  %s\n", time.Now().Format(time.TimeOnly), line); err != nil {
			return err
		}
	}
	return nil
}

// draw writes the status over what is on the terminal's other screen.
func (w *statusWatch) draw(s control.Status, gone error) error {
	page := terminal.NewPage(w.out)
	look := page.Look()
	if gone != nil {
		fmt.Fprintf(page, "%s\n", look.Paint(terminal.Bad, gone.Error()))
	}
	if err := printStatus(page, s, w.filter); err != nil {
		return err
	}
	lines := page.Lines()
	if more := len(lines) - look.Height; more > 0 && look.Height > 1 {
		lines = append(lines[:look.Height-1], look.Paint(terminal.Faint, fmt.Sprintf("… %d more lines", more+1)))
	}
	start := ""
	if !w.drawing {
		w.drawing, start = true, "\x1b[?1049h\x1b[?25l" // the other screen, without the cursor
	}
	// What was there is erased before a line is written: after one that is as wide as the terminal its last character would be.
	text := start + "\x1b[H\x1b[K" + strings.Join(lines, "\r\n\x1b[K")
	if len(lines) < look.Height {
		text += "\r\n\x1b[J"
	}
	_, err := io.WriteString(w.out, text)
	return err
}

// leave gives back the terminal as it was.
func (w *statusWatch) leave() {
	if w.drawing {
		io.WriteString(w.out, "\x1b[?25h\x1b[?1049l")
	}
}

// factsOf returns what counts as a change: not what passes with time.
func (w *statusWatch) factsOf(s control.Status, gone error) map[string]string {
	facts := map[string]string{}
	if gone != nil {
		facts["server"] = gone.Error()
		return facts
	}
	facts["server"] = strings.Join(append(summarize(terminal.Look{}, s), fmt.Sprintf("release %d", s.Release)), "; ")
	if s.Worker != nil {
		facts["server"] += fmt.Sprintf("; worker pid %d", s.Worker.PID)
	}
	shown := w.filter.of(s)
	for _, p := range shown.Plugins {
		var states []string
		for _, state := range statesOf(p, s) {
			states = append(states, string(state))
		}
		text := fmt.Sprintf("%s %s, %s", p.Name, shortID(p.Generation), strings.Join(states, ", "))
		if p.Refused != nil {
			text += fmt.Sprintf(" (%s, in %s)", p.Refused.Source, p.Refused.Phase)
		}
		facts[p.Name+" "] = text // no plugin is called that
	}
	for _, p := range s.Plugins {
		about := p.Name + " "
		if w.facts[about] != "" && facts[about] == "" {
			facts[about] = p.Name + " is not shown any more"
		}
	}
	return facts
}

// changedFacts returns what is new and, if all is known, what isn't there any more, in order.
func changedFacts(before, now map[string]string, all bool) (lines []string) {
	for about, text := range now {
		if before[about] != text {
			lines = append(lines, text)
		}
	}
	if all {
		for about := range before {
			if _, ok := now[about]; !ok {
				lines = append(lines, strings.TrimSpace(about)+" is gone")
			}
		}
	}
	slices.Sort(lines)
	return lines
}
