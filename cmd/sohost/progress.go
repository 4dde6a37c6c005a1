package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/terminal"
)

// progress shows on stderr what is being worked on: nothing in the first second, then, on a terminal, one line that is
// redrawn, and elsewhere one line per item. Verb is what is done to the items.
type progress struct {
	w        io.Writer
	verb     string
	terminal bool
	done     chan struct{}
	stopped  chan struct{}

	mu      sync.Mutex // guards what follows, and writes to w
	start   time.Time
	running []string
	shown   map[string]bool
	drawn   bool
}

// progressAfter is how long something may take before progress is shown.
const progressAfter = time.Second

func newProgress(w io.Writer, verb string) *progress {
	p := &progress{w: w, verb: verb, terminal: terminal.LookOf(w).Redraws, start: time.Now(), shown: make(map[string]bool),
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
		case <-tick.C:
			p.mu.Lock()
			p.drawLocked()
			p.mu.Unlock()
		}
	}
}

// begin adds an item, which stays until done is called.
func (p *progress) begin(name string) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, name)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := slices.Index(p.running, name); i >= 0 {
			p.running = slices.Delete(p.running, i, i+1)
		}
	}
}

// drawLocked needs mu.
func (p *progress) drawLocked() {
	took := time.Since(p.start)
	if took < progressAfter || len(p.running) == 0 {
		return
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s %s (%.0fs)", p.verb, strings.Join(p.running, ", "), took.Seconds())
		p.drawn = true
		return
	}
	for _, name := range p.running {
		if !p.shown[name] {
			p.shown[name] = true
			fmt.Fprintf(p.w, "%s %s\n", p.verb, name)
		}
	}
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
