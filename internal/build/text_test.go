package build

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/internal/slim"
)

// testPlan has packages of every role.
func testPlan() *plan {
	return &plan{Main: "example.com/app", GCFlags: "all=-N -l", Roles: map[string]role{"example.com/app": roleFresh,
		"example.com/app/sub": rolePrivate, "gopkg.in/yaml.v3": rolePrivate, "text": rolePrivate, abiPath: roleShared}}
}

func testID(archive string) (string, error) {
	if archive == "" {
		return "", errors.New("no archive")
	}
	return "0123456789ab", nil
}

func TestImportConfig(t *testing.T) {
	text := `# import config
importmap dep=example.com/app/sub
packagefile fmt=/cache/fmt
packagefile text/template=/cache/template
packagefile text=/cache/text
packagefile example.com/app/sub=/cache/sub
packagefile gopkg.in/yaml.v3=/cache/yaml=1
packagefile github.com/sohost/sohost/abi=/cache/abi
`
	got, _, err := importConfig(text, testPlan(), false, testID)
	if err != nil {
		t.Fatal(err)
	}
	want := `# import config
packagefile fmt=/cache/fmt
packagefile text/template=/cache/template
packagefile text_g0123456789ab=/cache/text
packagefile example.com/app/sub_g0123456789ab=/cache/sub
packagefile gopkg.in/yaml.v3_g0123456789ab=/cache/yaml=1
packagefile github.com/sohost/sohost/abi=/cache/abi
importmap dep=example.com/app/sub_g0123456789ab
importmap text=text_g0123456789ab
importmap example.com/app/sub=example.com/app/sub_g0123456789ab
importmap gopkg.in/yaml.v3=gopkg.in/yaml.v3_g0123456789ab
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzImportConfig(f *testing.F) {
	f.Add("packagefile example.com/app/sub=/x\nimportmap a=example.com/app/sub\nmodinfo \"a\"\n", true)
	f.Fuzz(func(t *testing.T, text string, link bool) {
		got, _, err := importConfig(text, testPlan(), link, testID)
		if err != nil {
			return
		}
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, "packagefile text=") || strings.HasPrefix(line, "packagefile example.com/app=") {
				t.Errorf("a private package kept its path: %q", line)
			}
		}
	})
}

func TestModinfo(t *testing.T) {
	info := &debug.BuildInfo{Path: "example.com/app", Settings: []debug.BuildSetting{
		{Key: "-buildmode", Value: "plugin"}, {Key: "-gcflags", Value: "example.com/app=-sohost=1:fresh:00"}, {Key: "GOOS", Value: "linux"}}}
	const magic = "0123456789abcdef"
	got, err := modinfo(strconv.Quote(magic+info.String()+magic), testPlan())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(must(strconv.Unquote(got)), magic), magic)
	parsed, err := debug.ParseBuildInfo(text)
	if err != nil {
		t.Fatal(err)
	}
	info.Settings[1].Value = "all=-N -l"
	info.Settings = append([]debug.BuildSetting{{Key: "sohost", Value: "sealed"}}, info.Settings...)
	if diff := cmp.Diff(info.Settings, parsed.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestSymabis(t *testing.T) {
	paths := map[string]string{"gopkg.in/yaml.v3": "gopkg.in/yaml.v3_gX", "text": "text_gY"}
	got, err := symabis("def gopkg.in/yaml%2ev3.f ABI0\nref gopkg.in/yaml%2ev3.g ABI0\nref text.T ABI0\nref runtime.h ABIInternal\n", paths, testPlan())
	want := "def gopkg.in/yaml%2ev3_gX.f ABI0\nref gopkg.in/yaml%2ev3_gX.g ABI0\nref text_gY.T ABI0\nref runtime.h ABIInternal\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = symabis("ref example.com/app/sub.f ABI0\n", paths, testPlan())
	if err == nil || !strings.Contains(err.Error(), `add import _ "example.com/app/sub" to a Go file`) {
		t.Errorf("a reference to a package that isn't imported: %v", err)
	}
}

func TestRenameAsm(t *testing.T) {
	paths := map[string]string{"example.com/app": "example.com/app_gX", "example.com/app/sub.d": "example.com/app/sub.d_gY", "text": "text_gZ"}
	for name, want := range map[string]string{
		"example·com∕app·f": "example·com∕app_gX·f", "example·com∕app·f·1": "example·com∕app_gX·f·1", "text·f": "text_gZ·f",
		"example·com∕app∕sub·d·x": "example·com∕app∕sub·d_gY·x", "runtime·f": "runtime·f", "text∕template·f": "text∕template·f",
		"example·com∕app∕sub·f": "example·com∕app∕sub·f",
	} {
		if got := renameAsm(name, paths); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestEditAsm edits a file with includes: one from its directory and one from another, which includes itself.
func TestEditAsm(t *testing.T) {
	dir, include := t.TempDir(), t.TempDir()
	source, work := filepath.Join(dir, "x.s"), filepath.Join(t.TempDir(), "work")
	write(t, source, "#include \"textflag.h\"\n#include \"a.h\"\n # include \"b.h\"\n#include \"none.h\"\nCALL text·f(SB)\n")
	write(t, filepath.Join(dir, "a.h"), "#define A 1\n")
	write(t, filepath.Join(include, "b.h"), "#include \"b.h\"\n#define B text·g(SB)\n")
	e := asmEditor{paths: map[string]string{"text": "text_gZ"}, dirs: []string{include}, work: work, edited: make(map[string]string)}
	to, err := e.edit(source)
	if err != nil {
		t.Fatal(err)
	}
	header := e.edited[filepath.Join(include, "b.h")]
	want := "#include \"textflag.h\"\n#include \"a.h\"\n # include \"" + header + "\"\n#include \"none.h\"\nCALL text_gZ·f(SB)\n"
	if diff := cmp.Diff(want, string(must(os.ReadFile(to)))); diff != "" {
		t.Errorf("the source (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("#include \"b.h\"\n#define B text_gZ·g(SB)\n", string(must(os.ReadFile(header)))); diff != "" {
		t.Errorf("the header (-want +got):\n%s", diff)
	}
	if to, err := e.edit(filepath.Join(dir, "a.h")); to != filepath.Join(dir, "a.h") || err != nil {
		t.Errorf("a file without names became %s, %v", to, err)
	}
}

// FuzzEditAsm edits assembly. The copy must differ in nothing but the ids.
func FuzzEditAsm(f *testing.F) {
	f.Add("TEXT ·F(SB), 7, $0\n\tMOVQ example·com∕app·x+8(SB), AX // text·f\n#include \"x.s\"\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src string) {
		if strings.Contains(src, "_g0123456789ab") {
			t.Skip()
		}
		file := filepath.Join(dir, "x.s")
		write(t, file, src)
		e := asmEditor{paths: map[string]string{"example.com/app": "example.com/app_g0123456789ab", "text": "text_g0123456789ab"},
			work: filepath.Join(dir, "work"), edited: make(map[string]string)}
		to, err := e.edit(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(must(os.ReadFile(to))), "_g0123456789ab", ""); got != src {
			t.Errorf("%q became %q", src, got)
		}
	})
}

func TestMark(t *testing.T) {
	for _, m := range []mark{{roleShared, "github.com/sohost/sohost@v1.2.3/abi"}, {rolePrivate, ""}, {roleFresh, "0123:4567"}} {
		got, ok, err := parseMark(m.String())
		if got != m || !ok || err != nil {
			t.Errorf("%s became %v, %t, %v", m, got, ok, err)
		}
	}
	for _, s := range []string{"-sohost=0:fresh:", "-sohost=" + scheme, "-sohost=" + scheme + ":fresh", "-sohost=" + scheme + ":odd:"} {
		if _, ok, err := parseMark(s); ok || err == nil {
			t.Errorf("%s was taken for a mark", s)
		}
	}
	if _, ok, err := parseMark("-shared"); ok || err != nil {
		t.Errorf("-shared: %t, %v", ok, err)
	}
}

func TestQuoted(t *testing.T) {
	items := []string{"-a", "with space", `with "double"`, "it's", ""}
	s, err := joinQuoted(items)
	if err != nil {
		t.Fatal(err)
	}
	got, err := splitQuoted("  " + s + "\t")
	if diff := cmp.Diff(items, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := joinQuoted([]string{`'"`}); err == nil {
		t.Error("both kinds of quotes were accepted")
	}
	if _, err := splitQuoted("a 'b"); err == nil {
		t.Error("an open quote was accepted")
	}
}

func FuzzQuoted(f *testing.F) {
	f.Add(`-a 'b c' "d"`)
	f.Fuzz(func(t *testing.T, s string) {
		items, err := splitQuoted(s)
		if err != nil {
			return
		}
		joined, err := joinQuoted(items)
		if err != nil {
			return
		}
		again, err := splitQuoted(joined)
		if diff := cmp.Diff(items, again); diff != "" || err != nil {
			t.Errorf("%q, %v (-want +got):\n%s", joined, err, diff)
		}
	})
}

func TestMatcher(t *testing.T) {
	pkg := &listed{ImportPath: "example.com/app/sub", Dir: "/src/app/sub"}
	for pattern, want := range map[string]bool{
		"all": true, "example.com/app/sub": true, "example.com/app/...": true, "example.com/app/sub/...": true, "...sub": true,
		"example.com/app": false, "example.com/app/su": false, "example.com/other/...": false,
		"./sub": true, "./...": true, ".": false, "../app/sub/...": true, "./other/...": false, "/src/...": true,
	} {
		if got := newMatcher([]string{pattern}, "/src/app").match(pkg); got != want {
			t.Errorf("%s: got %t", pattern, got)
		}
	}
}

func TestBareSymbol(t *testing.T) {
	src := "TEXT callback(SB), NOSPLIT, $0\nTEXT\tother<ABIInternal>(SB), 7, $0\nTEXT ·f(SB), 7, $0\nTEXT static<>(SB), 7, $0\n" +
		"TEXT pkg·g(SB), 7, $0\n// TEXT comment(SB)\nGLOBL table(SB), 8, $16\nCALL called(SB)\n"
	var got []string
	for _, m := range bareSymbol.FindAllStringSubmatch(src, -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff([]string{"callback", "other", "table"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSplitSymbol(t *testing.T) {
	for name, want := range map[string][2]string{
		"runtime.nanotime":                 {"runtime", "nanotime"},
		"gopkg.in/yaml%2ev3.f":             {"gopkg.in/yaml%2ev3", "f"},
		"example.com/a/b.(*T).M":           {"example.com/a/b", "(*T).M"},
		"example.com/a.F[example.com/b.T]": {"example.com/a", "F[example.com/b.T]"},
		"bare":                             {"", "bare"},
	} {
		prefix, rest := splitSymbol(name)
		if prefix != want[0] || rest != want[1] {
			t.Errorf("%s: got %q, %q", name, prefix, rest)
		}
	}
}

func TestReadGOFLAGS(t *testing.T) {
	h := host{gcflags: "all=-N"}
	f, err := readGOFLAGS("-mod=mod -tags=a,b --gcflags=-l '-ldflags=-X a.b=c d' -race -gcflags=all=-N", h)
	if err != nil {
		t.Fatal(err)
	}
	want := buildFlags{rest: "-mod=mod '-ldflags=-X a.b=c d' -buildvcs=false", tags: []string{"a", "b"}, ldflags: []string{"-X a.b=c d"}, gcflags: []string{"-l"}}
	if diff := cmp.Diff(want, f, cmp.AllowUnexported(buildFlags{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range []string{"-toolexec=x", "-gcflags=all=-l", "-gcflags=std=-N", "-compiler=gccgo", "'"} {
		if _, err := readGOFLAGS(s, h); err == nil {
			t.Errorf("%s was accepted", s)
		} else {
			refusal(t, err, ErrFlags)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	r := renamings{"example.com/app/sub_g0123456789ab": "example.com/app/sub", "example.com/b_gABCDEFGHIJKL": "example.com/b",
		"gopkg.in/yaml.v3_g___456789ab_": "gopkg.in/yaml.v3", "xml_g0123456789cd": "xml"}
	output := "go: downloading example.com/lib v1.0.0\nexample.com/lib\n# example.com/app/sub_g0123456789ab\n" +
		"./x.go:1:2: cannot use example.com/b_gABCDEFGHIJKL.T\n\tother declaration here\nexample.com/quoted\n" +
		"relocation target gopkg.in/yaml%2ev3_g___456789ab_.f not defined\n./models_generated_api.go:3:4: undefined: xml_get_next_item\n" +
		"undefined: xml_g0123456789cd.F and example.com/b_generated_api\n"
	want := "# example.com/app/sub\n" +
		"./x.go:1:2: cannot use example.com/b.T\n\tother declaration here\nexample.com/quoted\n" +
		"relocation target gopkg.in/yaml%2ev3.f not defined\n./models_generated_api.go:3:4: undefined: xml_get_next_item\n" +
		"undefined: xml.F and example.com/b_generated_api"
	if diff := cmp.Diff(want, diagnostics(output, r, goCommand{packages: map[string]bool{"example.com/lib": true}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompileErrorDiagnostics(t *testing.T) {
	e := &CompileError{Output: "# example.com/p\np/x.go:1:2: undefined: y\n\tp/z.go:3:4: other\np/y.s:7: bad: worse\n" +
		"package example.com/p\n\timports example.com/q: import cycle not allowed\nx.go:99999999999999999999: odd"}
	want := []Diagnostic{
		{"p/x.go", 1, 2, "undefined: y\n\tp/z.go:3:4: other"}, {"p/y.s", 7, 0, "bad: worse"},
		{Message: "package example.com/p\n\timports example.com/q: import cycle not allowed"}, {File: "x.go", Line: math.MaxInt, Message: "odd"},
	}
	if diff := cmp.Diff(want, e.Diagnostics()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDiagnostics(f *testing.F) {
	f.Add("# example.com/p\np/x.go:1:2: undefined: y\n\tp/z.go:3:4: other\np/y.s:7: bad\n")
	f.Fuzz(func(t *testing.T, output string) {
		all := ""
		for _, d := range (&CompileError{Output: diagnostics(output, nil, goCommand{})}).Diagnostics() {
			all += d.Message
		}
		// Whatever the tool has said is in the messages, except the names of packages.
		for line := range strings.Lines(output) {
			words := strings.Fields(line)
			if len(words) > 0 && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go: downloading") && !strings.Contains(line, ":") &&
				!strings.Contains(all, words[len(words)-1]) {
				t.Errorf("%q is lost", line)
			}
		}
	})
}

// FuzzUndo notes a new path as the wrapper does, and checks that messages with them get the import paths back and that no other
// message changes.
func FuzzUndo(f *testing.F) {
	f.Add("example.com/models", "0123456789ab", "models_generated_api.go:1: undefined: xml_get_next_item")
	f.Add("gopkg.in/yaml.v3", "___456789ab_", "yaml%2ev3_g")
	f.Fuzz(func(t *testing.T, path, id, text string) {
		if path == "" || strings.ContainsAny(path, "\t\n\r") {
			t.Skip("no import path")
		}
		id, err := shortID(id)
		if err != nil || strings.ContainsAny(id, "\t\n\r") {
			t.Skip("no id")
		}
		w := testWrapper(nil)
		w.noteRenamings(map[string]string{path: renamed(path, id)})
		r := w.renamings
		if got := r.undo(renamed(path, id)); got != path {
			t.Errorf("%q became %q", renamed(path, id), got)
		}
		if got := r.undo(text); got != text && !strings.Contains(text, renamed(path, id)) && !strings.Contains(text, slim.Escape(renamed(path, id))) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func TestFlagValue(t *testing.T) {
	for _, args := range [][]string{{"-a", "-f", "v", "x"}, {"-a", "--f=v", "x"}, {"-f=u", "-a", "-f=v", "x"}} {
		v, rest, found := flagValue(args, "-f")
		if v != "v" || !found || !cmp.Equal(rest, []string{"-a", "x"}) {
			t.Errorf("%q: got %q, %q, %t", args, v, rest, found)
		}
	}
}

func TestVersionScript(t *testing.T) {
	want := "{\n\tlocal:\n\t\t_cgoexp_*;\n\t\t\"a\";\n\t\t\"example.com/b%2ev1.c\";\n};\n"
	if got := versionScript([]string{"a", "example.com/b%2ev1.c"}); got != want {
		t.Errorf("got %q", got)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte(archiveMagic + "a.o             0           0     0     644     5         `\n" + elf.ELFMAG + "x\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		archiveMembers(bytes.NewReader(b), int64(len(b)), func(_ string, m *io.SectionReader) error {
			_, err := io.ReadAll(m)
			return err
		})
	})
}
