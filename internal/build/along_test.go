package build

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestAlongBesideFull opens a slim image that brings package mime along and a full image, in either order: the process has one mime, with
// one set of types and variables, and a stack names the plugin that has called it, whoever brought it.
func TestAlongBesideFull(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a host and three images")
	}
	p := newPairs(t)
	p.addHost(0, false)
	h := &p.hosts[0]
	const imports = "\t\"io\"\n\t\"mime\"\n\t\"reflect\"\n\t\"runtime\"\n\t\"strings\"\n"
	for range 2 {
		p.plugins = append(p.plugins, pairPlugin{dir: p.module("along"+strconv.Itoa(len(p.plugins)), pluginSource(imports, `
	answers = append(answers, fmt.Sprintf("%p", reflect.TypeFor[mime.WordDecoder]()), " ", mime.TypeByExtension(".pear"), " ")
	mime.AddExtensionType(".pear", "fruit/pear")
	decoder := mime.WordDecoder{CharsetReader: func(string, io.Reader) (io.Reader, error) {
		pcs := make([]uintptr, 20)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
		for frame, more := frames.Next(); more; frame, more = frames.Next() {
			if pkg, _, ok := strings.Cut(frame.Function, "_g"); ok || strings.HasPrefix(pkg, "mime.") {
				answers = append(answers, pkg, ";")
			}
		}
		return nil, io.EOF
	}}
	decoder.Decode("=?pear?q?a?=")
`))})
	}
	for _, slimFirst := range []bool{true, false} {
		images := make([]string, 2)
		for i := range images {
			isSlim := slimFirst == (i == 0)
			out := filepath.Join(p.dir, strconv.FormatBool(slimFirst)+strconv.Itoa(i)+".so")
			r, err := Build(t.Context(), Options{Dir: p.plugins[i].dir, Host: h.program, Env: testEnv(), Output: out, Full: !isSlim})
			if err != nil {
				t.Fatal(err)
			}
			if r.Slim != isSlim || isSlim && !slices.Contains(r.Along, "mime") {
				t.Fatalf("slim: %t (%s); it brings %v", r.Slim, r.WhyFull, r.Along)
			}
			images[i] = out
		}
		answers := p.ask(h, images)
		for i, answer := range answers {
			answers[i], _ = strconv.Unquote(answer)
		}
		first, second := strings.SplitN(answers[0], " ", 3), strings.SplitN(answers[1], " ", 3)
		if len(first) < 3 || len(second) < 3 || first[0] != second[0] || first[1] != "" || second[1] != "fruit/pear" {
			t.Fatalf("two sets of types or variables: %q", answers)
		}
		for i, stack := range []string{first[2], second[2]} {
			if !strings.Contains(stack, "example.com/along"+strconv.Itoa(i)) || strings.Contains(stack, "example.com/along"+strconv.Itoa(1-i)) || !strings.Contains(stack, "mime.") {
				t.Errorf("image %d has the stack %s", i, stack)
			}
		}
	}
}
