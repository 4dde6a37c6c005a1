package main

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPicture(t *testing.T) {
	p := func(name, short string, imports ...string) *pkg {
		return &pkg{ImportPath: "example.com/m/" + short, Name: name, short: short, Imports: imports}
	}
	pkgs := []*pkg{
		{ImportPath: "fmt", Name: "fmt"},
		p("low", "low", "fmt"),
		p("lonely", "lonely", "example.com/m/low"),
		p("late", "in/late"),
		p("mid", "in/mid", "example.com/m/low", "fmt"),
		{ImportPath: "example.com/m/tool", Name: "main", Imports: []string{"example.com/m/low"}},
		p("high", "high", "example.com/m/in/mid"),
		p("main", "cmd/x", "example.com/m/high", "example.com/m/in/mid", "example.com/m/in/late"),
	}
	const want = `
cmd/x    ▶ high in/{late,mid}
────
high     ▶ in/mid
in/late
────
in/mid   ▶ low
lonely   ▶ low
────
low
`
	got := strings.ReplaceAll(picture(pkgs), strings.Repeat("─", width), "────")
	if got != strings.TrimPrefix(want, "\n") {
		t.Errorf("got\n%swant%s", got, want)
	}

	text, err := renew("# A\n<!-- imports -->\nold\n<!-- /imports -->\nafter\n", "new\n")
	if want := "# A\n<!-- imports -->\n```text\nnew\n```\n<!-- /imports -->\nafter\n"; err != nil || text != want {
		t.Errorf("renewed: %q, %v; want %q", text, err, want)
	}
	if _, err := renew("# A\n<!-- imports -->\nno end\n", "new\n"); err == nil {
		t.Error("a file without the closing marker is renewed")
	}
}

// TestOrder compares with the best of all orders.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		const n = 6
		g := make(graph, n)
		for i := range g {
			g[i] = make([]bool, n)
			for j := range g[i] {
				g[i][j] = i != j && r.IntN(5) < 2
			}
		}
		least := n * n
		permute(nil, n, func(order []int) { least = min(least, g.up(order)) })
		order, up := g.order()
		if up != least || g.up(order) != up {
			t.Errorf("%v: order %v has %d arcs up and says %d; the best has %d", g, order, g.up(order), up, least)
		}
	}
}

func permute(order []int, n int, visit func([]int)) {
	if len(order) == n {
		visit(order)
		return
	}
next:
	for i := range n {
		for _, j := range order {
			if i == j {
				continue next
			}
		}
		permute(append(order[:len(order):len(order)], i), n, visit)
	}
}

// TestRun counts a module of which every figure is known.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"host.go": "package m\n\nimport \"example.com/m/low\"\n\n" +
			"type Host struct {\n\ta, b int\n\tlow.T\n}\n\nfunc New() *Host { return helper() }\n",
		"helper.go": "package m\n\nfunc helper() *Host {\n\th := &Host{a: 1}\n\th.Low()\n\treturn h\n}\n\n" +
			"func (h *Host) one() {}\nfunc (h Host) two()  {}\n",
		"host_test.go":  "package m\n\nfunc (h *Host) test() {}\n",
		"low/low.go":    "package low\n\nimport \"strings\"\n\ntype T struct{}\n\nfunc (T) Low() { strings.ToLower(\"\") }\n",
		"scripts/x.go":  "package main\n\nfunc main() {}\n",
		"ARCHITECTURE":  "<!-- imports -->\nold\n<!-- /imports -->\n",
		"plugins/p.txt": "not Go\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := run([]string{"-v", "-dir", dir}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	// Both files use each other, so one reference points up. Both use the type of low, or its method.
	for _, want := range []string{
		"m    ▶ low\n",
		"m                               2     20           2         1\n",
		"low                             1      7           0         0\n",
		"all packages                    3     27           2         1\n",
		"there are 2 more between files of two.\n",
		"m: Host has 3 fields, and 2 methods in 1 files.\n",
		" → h",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing: %q", want)
		}
	}
	if t.Failed() {
		t.Logf("got:\n%s", &out)
	}

	file := filepath.Join(dir, "ARCHITECTURE")
	if err := run([]string{"-dir", dir, "-check", file}, io.Discard, io.Discard); err == nil {
		t.Error("an old picture passes for current")
	}
	if err := run([]string{"-dir", dir, "-write", file}, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
	if err := run([]string{"-dir", dir, "-check", file}, io.Discard, io.Discard); err != nil {
		t.Errorf("after it was renewed: %v", err)
	}
}
