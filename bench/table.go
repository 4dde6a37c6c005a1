package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stockFigures are what reloads and builds are compared with.
func (all results) stockFigures() figures {
	for _, r := range all {
		if r.host.name == stock {
			return r.figures
		}
	}
	return nil
}

// table returns the medians in Markdown: the ratio first.
func (all results) table() string {
	base := all.stockFigures()
	rows := [][]string{
		{"", "a call", "… two cores", "4 KB of words", "a request", "new file to new answer", "build", "memory kept per reload", "a crash ends"},
		{"compiled in", all.direct("call"), all.direct("calls"), all.direct("count"), all.direct("http"), "", "", "", "the server"},
	}
	for _, r := range all {
		name := r.name
		if r.link != "" {
			name = fmt.Sprintf("[%s](%s)", r.name, r.link)
		}
		if name == "sohost" {
			name = "**sohost**"
		}
		row := []string{name}
		for _, t := range tasks {
			value, _ := r.figures.of(t.name)
			row = append(row, ratio(value))
		}
		row = append(row, compared(r.figures, base, "reload"), compared(r.figures, base, "build"), kept(r.figures), r.crash)
		rows = append(rows, row)
	}
	return markdown(rows)
}

// direct returns what it takes without a host.
func (all results) direct(task string) string {
	var of []float64
	for _, r := range all {
		value, _ := r.figures.of(task + " direct")
		of = append(of, value)
	}
	slices.Sort(of)
	return "1 (" + duration(of[len(of)/2]/1e9) + ")"
}

// compared returns a time in multiples of the base's, and the time.
func compared(f, base figures, name string) string {
	value, known := f.of(name)
	if !known {
		return ""
	}
	if value == 0 {
		return "none"
	}
	one, _ := base.of(name)
	return ratio(value/one) + " (" + duration(value) + ")"
}

func kept(f figures) string {
	bytes, known := f.of("memory")
	switch kB := bytes / 1024; {
	case !known:
		return ""
	case kB < 1:
		return "0"
	case kB < 1000:
		return fmt.Sprintf("%.0f KB", kB)
	default:
		return fmt.Sprintf("%.1f MB", kB/1024)
	}
}

func ratio(r float64) string {
	switch {
	case r < 9.95:
		return fmt.Sprintf("%.1f ×", r)
	case r < 100:
		return fmt.Sprintf("%.0f ×", r)
	default:
		return thousands(r) + " ×"
	}
}

// thousands writes a large number with two digits that count.
func thousands(r float64) string {
	unit := 1.0
	for r/unit >= 100 {
		unit *= 10
	}
	text := fmt.Sprintf("%.0f", float64(int(r/unit+0.5))*unit)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func duration(seconds float64) string {
	d := time.Duration(seconds * 1e9)
	switch {
	case d < 100*time.Nanosecond:
		return fmt.Sprintf("%.1f ns", seconds*1e9)
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.0f ns", seconds*1e9)
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	default:
		return fmt.Sprintf("%.1f s", seconds)
	}
}

// spread returns all ratios with the lowest and the highest of the rounds.
func (all results) spread() string {
	rows := [][]string{{"median (lowest to highest round)", "a call", "… two cores", "4 KB of words", "a request", "reload, s", "build, s"}}
	for _, r := range all {
		row := []string{r.name}
		for _, name := range []string{"call", "calls", "count", "http", "reload", "build"} {
			cell := ""
			if value, known := r.figures.of(name); known {
				cell = fmt.Sprintf("%.3g (%.3g to %.3g)", value, slices.Min(r.figures[name]), slices.Max(r.figures[name]))
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}
