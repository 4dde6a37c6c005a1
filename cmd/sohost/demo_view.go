package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/terminal"
)

// demoView shows a demo: a line for each step, and on a terminal, below them, how many requests are answered.
type demoView struct {
	w     io.Writer // nil: nothing is shown
	begin time.Time

	mu      sync.Mutex // guards what follows, and writes to w
	now     loadNow
	rates   []float64
	marks   map[int]rune // what happened, by index of rates
	drawn   bool
	stopped bool
}

func newDemoView(w io.Writer) *demoView {
	return &demoView{w: w, begin: time.Now(), marks: map[int]rune{}}
}

// say shows a step.
func (v *demoView) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.w == nil {
		return
	}
	v.clearLocked()
	text := fmt.Sprintf("%5.1fs    %s\n", time.Since(v.begin).Seconds(), fmt.Sprintf(format, args...))
	fmt.Fprint(v.w, terminal.Fold(text, terminal.LookOf(v.w).Width))
	v.drawLocked()
}

// mark marks what has happened now, below the rates.
func (v *demoView) mark(r rune) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.marks[max(0, len(v.rates)-1)] = r
}

// show shows the load.
func (v *demoView) show(now loadNow) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now, v.rates = now, append(v.rates, now.rate)
	v.clearLocked()
	v.drawLocked()
}

// end removes what changes.
func (v *demoView) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clearLocked()
	v.stopped = true
}

// demoLines is how many lines drawLocked writes.
const demoLines = 3

// clearLocked needs mu.
func (v *demoView) clearLocked() {
	if v.drawn {
		fmt.Fprintf(v.w, "\x1b[%dA\r\x1b[J", demoLines)
		v.drawn = false
	}
}

// drawLocked needs mu.
func (v *demoView) drawLocked() {
	look := terminal.LookOf(v.w)
	if !look.Redraws || v.stopped || len(v.rates) == 0 {
		return
	}
	bars, marks := spark(v.rates, v.marks, look.Width-22)
	failed := look.Paint(terminal.Good, "0 failed")
	if v.now.failed > 0 {
		failed = look.Paint(terminal.Bad, fmt.Sprint(v.now.failed, " failed"))
	}
	for _, line := range []string{
		fmt.Sprintf("requests/s %s %.0f", look.Paint(terminal.Good, bars), v.now.rate),
		"           " + look.Paint(terminal.Notice, marks),
		fmt.Sprintf("%d requests, %s, the longest took %s   (↑ reload  × not built  ⇄ handover)", v.now.requests, failed, short(v.now.longest)),
	} {
		fmt.Fprintln(v.w, terminal.Cut(line, look.Width))
	}
	v.drawn = true
}

// spark returns the last of the rates as bars, at most n, from nothing up to the highest, and below each what is marked there.
func spark(rates []float64, marks map[int]rune, n int) (bars, below string) {
	const heights = "▁▂▃▄▅▆▇█"
	first := max(0, len(rates)-max(n, 1))
	highest := 1.0
	for _, r := range rates[first:] {
		highest = max(highest, r)
	}
	steps := []rune(heights)
	var b, m strings.Builder
	for i, r := range rates[first:] {
		b.WriteRune(steps[int(r/highest*float64(len(steps)-1)+0.5)])
		if mark, ok := marks[first+i]; ok {
			m.WriteRune(mark)
		} else {
			m.WriteByte(' ')
		}
	}
	return b.String(), strings.TrimRight(m.String(), " ")
}
