package build

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// linknamePackage writes a package with one file and returns it.
func linknamePackage(t *testing.T, path, text string, imports ...string) *listed {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x.go"), text)
	return &listed{ImportPath: path, Dir: dir, GoFiles: []string{"x.go"}, Imports: imports}
}

// linkNames scans packages for a plan.
func linkNames(p *plan, packages []*listed) error {
	in, err := scan(packages, nil)
	if err != nil {
		return err
	}
	return p.linkNames(packages, in)
}

func TestLinkNames(t *testing.T) {
	p := testPlan()
	p.Aliases = make(map[string][]string)
	p.Roles["gopkg.in/owner.v1"], p.Roles["example.com/bystander"] = rolePrivate, rolePrivate
	p.Hide = nil
	err := linkNames(p, []*listed{
		// It pushes symbols into text and reads one of owner, without importing either.
		linknamePackage(t, "example.com/app/sub", "package sub\n//go:linkname f text.F\n//go:linkname g text.F\n//go:linkname h gopkg.in/owner%2ev1.H\n"+
			"//go:linkname now runtime.now\n//go:linkname only\n", "unsafe"),
		linknamePackage(t, "text", "package text\n//go:linkname F text.F\n", "unsafe"),
		linknamePackage(t, "gopkg.in/owner.v1", "package owner\n"),
		// It imports what it names.
		linknamePackage(t, "gopkg.in/yaml.v3", "package yaml\n//go:linkname x example.com/bystander.X\n", "unsafe", "example.com/bystander"),
		linknamePackage(t, "example.com/bystander", "package bystander\n//go:linkname y text.Y\n"), // without unsafe this is a comment
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"gopkg.in/owner%2ev1.H", "text.F"}, p.Hide); diff != "" {
		t.Errorf("hidden (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"gopkg.in/owner.v1": {"H"}}, p.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	for path, want := range map[string]role{"example.com/app/sub": roleFresh, "text": roleFresh, "gopkg.in/owner.v1": roleFresh,
		"gopkg.in/yaml.v3": rolePrivate, "example.com/bystander": rolePrivate} {
		if got := p.Roles[path]; got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestLinkNamesRefused(t *testing.T) {
	sub := linknamePackage(t, "example.com/app/sub", "package sub\n//go:linkname f text.(*T).M\n", "unsafe")
	text := linknamePackage(t, "text", "package text\n")
	r := refusal(t, linkNames(testPlan(), []*listed{sub, text}), ErrPackage)
	if !strings.Contains(r.Reason, filepath.Join(sub.Dir, "x.go")+" uses go:linkname for the method text.(*T).M") {
		t.Errorf("got %q", r.Reason)
	}
	sub.Imports = append(sub.Imports, "text")
	if err := linkNames(testPlan(), []*listed{sub, text}); err != nil {
		t.Errorf("with an import: %v", err)
	}
	sub.GoFiles = append(sub.GoFiles, "missing.go")
	if err := linkNames(testPlan(), []*listed{sub, text}); err == nil || !strings.Contains(err.Error(), "look for linknames") {
		t.Errorf("with a missing file: %v", err)
	}
}

// TestDirectives compiles a package whose directives name itself, an import, a hidden symbol, and a package that keeps its path.
func TestDirectives(t *testing.T) {
	p := testPlan()
	p.Hide = []string{"text.Hidden"}
	p.Aliases = map[string][]string{"example.com/app/sub": {"marked", "pulled"}}
	dir, work := t.TempDir(), t.TempDir()
	plain, edited := filepath.Join(dir, "plain.go"), filepath.Join(dir, "edited.go")
	write(t, plain, "// A file.\npackage sub; import _ \"unsafe\"\n")
	write(t, edited, "package sub\n//go:linkname marked\n//go:linkname a text.A\n//go:linkname b text.Hidden\n//go:linkname c runtime.c\n"+
		"//go:linkname d example.com/app/sub.d\nvar x int\n")
	args := []string{"-o", "out.go", "-trimpath", dir + "=>example.com/app/sub;" + work + "=>", plain, edited}
	got, err := p.directives("/", args, "example.com/app/sub", map[string]string{"text": "text_gX", "example.com/app/sub": "example.com/app/sub_gY"}, work)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(work, "sohost_5.go")
	want := []string{"-o", "out.go", "-trimpath", copied + "=>example.com/app/sub/edited.go;" + dir + "=>example.com/app/sub;" + work + "=>",
		plain, copied, filepath.Join(work, "sohost_linkname.go")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		copied: "package sub\n//go:linkname marked example.com/app/sub.marked\n//go:linkname a text_gX.A\n//go:linkname b text.Hidden\n" +
			"//go:linkname c runtime.c\n//go:linkname d example.com/app/sub_gY.d\nvar x int\n",
		want[6]: "package sub\n\nimport _ \"unsafe\"\n\n//go:linkname pulled example.com/app/sub.pulled\n",
	} {
		if got := string(must(os.ReadFile(name))); got != want {
			t.Errorf("%s holds\n%s\nwant\n%s", filepath.Base(name), got, want)
		}
	}
	args = []string{plain}
	if got, err := p.directives("/", args, "text", nil, work); err != nil || !cmp.Equal(got, []string{plain}) {
		t.Errorf("a file without directives: got %q, %v", got, err)
	}
}

// TestScan reads assembly, keeps the order of files, and leaves known packages alone.
func TestScan(t *testing.T) {
	dir := t.TempDir()
	asm := &listed{ImportPath: "asm", Dir: dir}
	var want []string
	for i := range 40 {
		name, symbol := fmt.Sprintf("x%d.s", i), fmt.Sprintf("callback%d", i)
		write(t, filepath.Join(dir, name), "TEXT "+symbol+"(SB), 7, $0\n")
		asm.SFiles, want = append(asm.SFiles, name), append(want, symbol)
	}
	known := &scanned{Bare: []string{"known"}}
	missing := []string{"missing.s"}
	got, err := scan([]*listed{asm, {ImportPath: "cgo", Dir: dir, SFiles: missing, CgoFiles: []string{}, SwigFiles: []string{"c.swig"}},
		{ImportPath: "known", Dir: dir, SFiles: missing}}, map[string]*scanned{"known": known})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]*scanned{"asm": {Bare: want}, "cgo": {}, "known": known}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := scan([]*listed{{Dir: dir, SFiles: missing}}, nil); err == nil {
		t.Error("a missing file was accepted")
	}
}

// TestScannedKept writes and reads what was scanned, as a memo does.
func TestScannedKept(t *testing.T) {
	want := memo{Scanned: map[string]*scanned{"a": {Directives: []directive{{linkname{"f", "b.F"}, "x.go"}, {linkname{"g", ""}, "y.go"}}, Bare: []string{"c"}}}}
	var got memo
	if err := json.Unmarshal(must(json.Marshal(want)), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
