package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

// jsonFlag adds --json to a command.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON")
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// warn prints what somebody should know, though a command has succeeded.
func warn(w io.Writer, text string) {
	fmt.Fprintln(w, terminal.LookOf(w).Paint(terminal.Notice, "warning:"), text)
}

// table writes rows in aligned columns, below a header if there is one, as wide as the terminal.
func table(w io.Writer, header []string, rows [][]string) error {
	return styledTable(w, header, rows, 0, func([]string) terminal.Style { return terminal.Plain })
}

// styledTable is table with the cells of one column in a style.
func styledTable(w io.Writer, header []string, rows [][]string, column int, styleOf func(row []string) terminal.Style) error {
	var t terminal.Table
	for i := range slices.Max(append(lengths(rows), len(header))) {
		var c terminal.Column
		if i < len(header) {
			c.Name = header[i]
		}
		t.Columns = append(t.Columns, c)
	}
	for _, row := range rows {
		var cells []terminal.Cell
		for _, text := range row {
			cells = append(cells, terminal.Cell{Text: text})
		}
		cells[column].Style = styleOf(row)
		t.Rows = append(t.Rows, cells)
	}
	_, err := t.Print(w)
	return err
}

func lengths(rows [][]string) (out []int) {
	for _, row := range rows {
		out = append(out, len(row))
	}
	return out
}

// ago returns a rough age: 42s, 17m, 5h, 3d.
func ago(t time.Time) string {
	switch d := max(0, time.Since(t)); { // the clock may have been set
	case t.IsZero():
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// short returns a duration with about three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

// size returns a number of bytes with its unit.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}

// count returns a number of things: 1 release, 2 releases.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// oneLine returns a text of others', such as what a plugin has panicked with, with its lines joined.
func oneLine(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case b.Len() == 0:
		case strings.HasSuffix(b.String(), ":"):
			b.WriteString(" ")
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return terminal.Printable(b.String())
}

// cut returns a text shortened to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
