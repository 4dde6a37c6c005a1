package terminal

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestColor decides by the flag, then by the environment, then by what is written to.
func TestColor(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		mode Mode
		env  string // NAME=VALUE, with spaces between
		want bool
	}{
		{Auto, "", false},
		{Auto, "CLICOLOR_FORCE=1", true},
		{Auto, "CLICOLOR_FORCE=0", false},
		{Auto, "CLICOLOR_FORCE=1 NO_COLOR=1", false},
		{Auto, "CLICOLOR_FORCE=1 TERM=dumb", true},
		{Always, "NO_COLOR=1", true},
		{Never, "CLICOLOR_FORCE=1", false},
	} {
		t.Run(string(test.mode)+" "+test.env, func(t *testing.T) {
			for _, name := range []string{"NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"} {
				t.Setenv(name, "")
			}
			for _, kv := range strings.Fields(test.env) {
				name, value, _ := strings.Cut(kv, "=")
				t.Setenv(name, value)
			}
			o := NewOutput(file)
			o.SetMode(test.mode)
			if l := o.Look(); l.Color != test.want || l.Redraws || l.Width != 0 {
				t.Errorf("%+v, want color %t", l, test.want)
			}
		})
	}
	if _, err := ParseMode("blue"); err == nil {
		t.Error("blue is a mode")
	}
}

func TestColumnsOf(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "a→é": 3, "e\u0301": 1, "世界": 4, "\x1b[31mred\x1b[0m": 3} {
		if got := Columns(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
	for _, test := range []struct {
		text string
		n    int
		want string
	}{{"abcdef", 6, "abcdef"}, {"abcdef", 4, "abc…"}, {"世界世", 4, "世…"}, {"\x1b[31mabcdef\x1b[0m", 3, "\x1b[31mab…\x1b[0m"}, {"abc", 0, "abc"}} {
		if got := Cut(test.text, test.n); got != test.want {
			t.Errorf("%q cut to %d is %q, want %q", test.text, test.n, got, test.want)
		}
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"short\n":                          "short\n",
		"one two three four five six\n":    "one two three four\nfive six\n",
		"  one two three four five\n":      "  one two three four\n  five\n",
		"label   one two three four":       "label   one two\n        three four",
		"/a/path/that/is/longer/than a":    "/a/path/that/is/longer/than\na",
		"two are: one two three four five": "two are: one two\nthree four five",
	} {
		if got := Fold(text, 20); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := Fold(text, 0); got != text {
			t.Errorf("without a limit %q", got)
		}
	}
}

func TestLines(t *testing.T) {
	p := &Page{look: Look{Width: 12}}
	p.WriteString("a\n\thave: int, string\n")
	if got, want := p.Lines(), []string{"a", "    have:", "    int,", "    string"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTable fits a table to every width: no row is wider, and what is cut shows it.
func TestTable(t *testing.T) {
	table := Table{
		Columns: []Column{{Name: "PLUGIN"}, {Name: "AGE", Rank: 1}, {Name: "MEMORY", Rank: 2}, {Name: "ROUTES"}},
		Rows: [][]Cell{
			{{"a", Plain}, {"3d", Plain}, {"12 MiB", Plain}, {"/a", Plain}},
			{{strings.Repeat("long", 10), Bad}, {"3d", Plain}, {"", Plain}, {"/" + strings.Repeat("path/", 10), Plain}},
		},
	}
	for width := 12; width < 130; width++ {
		p := &Page{look: Look{Width: width, Color: true}}
		left, err := table.Print(p)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(p.String()) {
			if n := Columns(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns in %d: %s", n, width, line)
			}
		}
		if full := width >= 40+2+3+2+6+2+51; full == strings.Contains(p.String(), "…") {
			t.Errorf("%d columns: cut is %t:\n%s", width, !full, p)
		}
		switch {
		case width >= 39 && left != nil, width >= 31 && width < 39 && !slices.Equal(left, []string{"MEMORY"}),
			width < 31 && !slices.Equal(left, []string{"AGE", "MEMORY"}):
			t.Errorf("%d columns: left out: %v", width, left)
		}
	}
	var b bytes.Buffer
	table.Columns[0].Name = "NAME"
	table.Rows = table.Rows[:1]
	table.Rows[0][1].Text = "\x1b[2J\n3\td" // as a plugin may call itself
	if _, err := table.Print(&b); err != nil || b.String() != "NAME  AGE       MEMORY  ROUTES\na     \uFFFD[2J 3 d  12 MiB  /a\n" {
		t.Errorf("%v: %q", err, b.String())
	}
}

// TestPrintable replaces what a terminal would obey, and keeps what people read.
func TestPrintable(t *testing.T) {
	if got, want := Printable("a\tb\n\x1b[2J ü\u202e\xff\x07"), "a\tb\n\uFFFD[2J ü\uFFFD\uFFFD\uFFFD"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
