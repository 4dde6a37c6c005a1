package terminal

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// Table is rows of cells in aligned columns, below a header if the columns have names. Where it is too wide, cells are cut, the longest
// first; then columns are left out, those of the highest Rank first. No row takes more than a line.
type Table struct {
	Columns []Column
	Rows    [][]Cell
}

// Column is a column of a Table. One with Rank 0 is never left out.
type Column struct {
	Name string
	Rank int
}

// Cell is a text in a Table.
type Cell struct {
	Text  string
	Style Style
}

const (
	columnGap = 2
	wideCell  = 12 // columns that are wider may be cut before others are left out
	leastCell = 4
)

// Print writes the table, and returns the names of the columns that were left out.
func (t *Table) Print(w io.Writer) (left []string, err error) {
	look := LookOf(w)
	t.clean()
	shown, widths := t.fit(look.Width)
	for i, c := range t.Columns {
		if !slices.Contains(shown, i) {
			left = append(left, c.Name)
		}
	}
	var b bytes.Buffer
	if slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name != "" }) {
		var header []Cell
		for _, c := range t.Columns {
			header = append(header, Cell{c.Name, Strong})
		}
		printRow(&b, look, header, shown, widths)
	}
	for _, row := range t.Rows {
		printRow(&b, look, row, shown, widths)
	}
	_, err = w.Write(b.Bytes())
	return left, err
}

// clean makes each cell a text of one line that gives no orders to a terminal: some are texts of plugins, and names of files.
func (t *Table) clean() {
	for _, row := range t.Rows {
		for i := range row {
			row[i].Text = oneLine.Replace(Printable(row[i].Text))
		}
	}
}

var oneLine = strings.NewReplacer("\n", " ", "\t", " ")

func printRow(b *bytes.Buffer, look Look, row []Cell, shown, widths []int) {
	var line strings.Builder
	pad := 0
	for i, column := range shown {
		if column >= len(row) {
			break
		}
		cell := row[column]
		text := Cut(cell.Text, widths[i])
		if text != "" {
			line.WriteString(strings.Repeat(" ", pad) + look.Paint(cell.Style, text))
			pad = 0
		}
		pad += widths[i] - Columns(text) + columnGap
	}
	b.WriteString(Cut(line.String(), look.Width) + "\n")
}

// fit returns which columns are shown and how wide they are.
func (t *Table) fit(limit int) (shown, widths []int) {
	for i := range t.Columns {
		shown = append(shown, i)
	}
	for {
		widths = t.widths(shown)
		if limit == 0 || shrink(widths, limit, wideCell) {
			return shown, widths
		}
		last := -1
		for i, column := range shown {
			if r := t.Columns[column].Rank; r > 0 && (last < 0 || r > t.Columns[shown[last]].Rank) {
				last = i
			}
		}
		if last < 0 {
			shrink(widths, limit, leastCell)
			return shown, widths
		}
		shown = slices.Delete(shown, last, last+1)
	}
}

func (t *Table) widths(shown []int) []int {
	widths := make([]int, len(shown))
	for i, column := range shown {
		widths[i] = Columns(t.Columns[column].Name)
		for _, row := range t.Rows {
			if column < len(row) {
				widths[i] = max(widths[i], Columns(row[column].Text))
			}
		}
	}
	return widths
}

// shrink makes the widest columns narrower until all fit, and none narrower than least. It reports whether they do.
func shrink(widths []int, limit, least int) bool {
	over := columnGap*(len(widths)-1) - limit
	for _, w := range widths {
		over += w
	}
	for ; over > 0; over-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= least {
			return false
		}
		widths[widest]--
	}
	return true
}
