package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/terminal"
)

// progress shows on stderr what is being worked on: nothing in the first second, then, on a terminal, one line that is
// redrawn, and elsewhere a line per item and another one whenever it has got on for a while. Verb is what is done to the items.
type progress struct {
	w        io.Writer
	verb     string
	terminal bool
	done     chan struct{}
	stopped  chan struct{}

	mu      sync.Mutex // guards what follows, and writes to w
	start   time.Time
	running []*item
	drawn   bool
}

// item is one thing that is worked on.
type item struct {
	name  string
	of    *progress
	step  string    // what is done of it; "" if that isn't known
	steps int       // how many there were so far
	shown time.Time // when a line about it was printed; zero: never
}

const (
	progressAfter = time.Second     // how long something may take before progress is shown
	progressAgain = 5 * time.Second // how long before another line is printed
)

func newProgress(w io.Writer, verb string) *progress {
	p := &progress{w: w, verb: verb, terminal: terminal.LookOf(w).Redraws, start: time.Now(),
		done: make(chan struct{}), stopped: make(chan struct{})}
	go p.loop()
	return p
}

func (p *progress) loop() {
	defer close(p.stopped)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case now := <-tick.C:
			p.mu.Lock()
			p.drawLocked(now)
			p.mu.Unlock()
		}
	}
}

// begin adds an item, which stays until its end.
func (p *progress) begin(name string) *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := &item{name: name, of: p}
	p.running = append(p.running, i)
	return i
}

// end removes the item.
func (i *item) end() {
	p := i.of
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, other := range p.running {
		if other == i {
			p.running = append(p.running[:n], p.running[n+1:]...)
			return
		}
	}
}

// compiling notes which package of an image is compiled.
func (i *item) compiling(path string, all int) {
	i.of.mu.Lock()
	defer i.of.mu.Unlock()
	i.steps++
	i.step = fmt.Sprintf("package %d of at most %d: %s", i.steps, all, path)
}

func (i *item) String() string {
	if i.step == "" {
		return i.name
	}
	return i.name + ", " + i.step
}

// drawLocked needs mu.
func (p *progress) drawLocked(now time.Time) {
	took := now.Sub(p.start)
	if took < progressAfter || len(p.running) == 0 {
		return
	}
	if !p.terminal {
		for _, i := range p.running {
			if i.shown.IsZero() || i.step != "" && now.Sub(i.shown) >= progressAgain {
				i.shown = now
				fmt.Fprintf(p.w, "%s %v (%.0fs)\n", p.verb, i, took.Seconds())
			}
		}
		return
	}
	var names []string
	for _, i := range p.running {
		names = append(names, i.String())
	}
	line := fmt.Sprintf("%s (%.0fs) %s", p.verb, took.Seconds(), strings.Join(names, "; "))
	fmt.Fprint(p.w, "\r\x1b[K"+terminal.Cut(line, terminal.LookOf(p.w).Width-1))
	p.drawn = true
}

// Write writes another message, without mixing it with the line.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLocked()
	return p.w.Write(b)
}

// clearLocked needs mu.
func (p *progress) clearLocked() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// stop ends the drawing and removes the line. It must be called once.
func (p *progress) stop() {
	close(p.done)
	<-p.stopped
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLocked()
}
