package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/terminal"
)

// progress shows on stderr what is being worked on: nothing in an item's first second, then, on a terminal, one line that is redrawn,
// and elsewhere a line per item and another one whenever it has got on for a while. Verb is what is done to the items.
type progress struct {
	w        io.Writer
	verb     string
	terminal bool
	done     chan struct{}
	stopped  chan struct{}

	mu      sync.Mutex // guards what follows, and writes to w
	running []*item
	drawn   bool
}

// item is one thing that is worked on.
type item struct {
	name  string
	of    *progress
	start time.Time
	after time.Duration // how long it may take before it is shown
	step  string        // what is done of it; "" if that isn't known
	steps int           // how many there were so far
	shown time.Time     // when a line about it was printed; zero: never
}

const (
	progressAfter = time.Second     // how long something may take before progress is shown
	progressAgain = 5 * time.Second // how long before another line is printed
)

func newProgress(w io.Writer, verb string) *progress {
	p := &progress{w: w, verb: verb, terminal: terminal.LookOf(w).Redraws,
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
func (p *progress) begin(name string) *item { return p.beginAfter(name, progressAfter) }

// beginAfter is begin for an item that is shown after another time.
func (p *progress) beginAfter(name string, after time.Duration) *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := &item{name: name, of: p, start: time.Now(), after: after}
	p.running = append(p.running, i)
	if after == 0 {
		p.drawLocked(i.start)
	}
	return i
}

// becomes gives the item another name.
func (i *item) becomes(name string) {
	i.of.mu.Lock()
	defer i.of.mu.Unlock()
	i.name, i.step = name, ""
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
	var shown []string
	var longest time.Duration
	for _, i := range p.running {
		took := now.Sub(i.start)
		if took < i.after {
			continue
		}
		shown, longest = append(shown, i.String()), max(longest, took)
		if !p.terminal && (i.shown.IsZero() || i.step != "" && now.Sub(i.shown) >= progressAgain) {
			i.shown = now
			fmt.Fprintln(p.w, p.line(i.String(), took))
		}
	}
	if p.terminal && len(shown) > 0 {
		p.redrawLocked(p.line(strings.Join(shown, "; "), longest))
	}
}

// line returns a line about items. The time comes first, as the end may be cut.
func (p *progress) line(items string, took time.Duration) string {
	text := items
	if p.verb != "" {
		text = p.verb + " " + items
	}
	if took >= progressAfter {
		text = fmt.Sprintf("%.0fs  %s", took.Seconds(), text)
	}
	return text
}

// rest shows a line until there is something else, on a terminal.
func (p *progress) rest(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redrawLocked(text)
}

// redrawLocked needs mu.
func (p *progress) redrawLocked(line string) {
	look := terminal.LookOf(p.w)
	fmt.Fprint(p.w, "\r\x1b[K"+look.Paint(terminal.Faint, terminal.Cut(line, look.Width-1)))
	p.drawn = true
}

// clear removes the line until it is drawn again.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLocked()
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
