package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testWrapper is a wrapper for a plan that no script asks.
func testWrapper(p *plan) *wrapper { return &wrapper{plan: p, renamings: renamings{}} }

// archive writes a package archive with a build id, and returns its name.
func archive(t *testing.T, action string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pkg.a")
	text := fmt.Sprintf("go object linux amd64\nbuild id %q\n\n", action+"/content")
	text += strings.Repeat("\n", len(text)%2) // members begin at even offsets
	write(t, name, fmt.Sprintf("%s%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", archiveMagic, "__.PKGDEF", 0, 0, 0, 0o644, len(text), text))
	return name
}

func TestArgument(t *testing.T) {
	args := []string{"-p", "main", "-o", "out", "-p"}
	for flag, want := range map[string]int{"-p": 1, "-o": 3, "main": 2, "-x": -1} {
		if got := argument(args, flag); got != want {
			t.Errorf("%s: got %d, want %d", flag, got, want)
		}
	}
	if got := argument(nil, "-p"); got != -1 {
		t.Errorf("without arguments: got %d", got)
	}
}

func TestCompileArgs(t *testing.T) {
	w := testWrapper(testPlan())
	dir := t.TempDir()
	source, cfg, abis := filepath.Join(dir, "x.go"), filepath.Join(dir, "importcfg"), filepath.Join(dir, "symabis")
	write(t, source, "package sub\n")
	write(t, cfg, "packagefile text="+archive(t, "ABCDEFGHIJKL")+"\n")
	write(t, abis, "def example.com/app/sub.f ABI0\n")
	private := mark{role: rolePrivate}.String()
	got, err := w.compileArgs(dir, []string{private, "-o", filepath.Join(dir, "pkg.a"), "-p", "example.com/app/sub", "-buildid", "0123456789abcdef/x",
		"-symabis", abis, "-importcfg", cfg, "-trimpath", "a=>b", "./x.go"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{wholeMaps, "-o", filepath.Join(dir, "pkg.a"), "-p", "example.com/app/sub_g0123456789ab", "-buildid", "0123456789abcdef/x",
		"-symabis", abis, "-importcfg", cfg + ".sohost", "-trimpath", "a=>b", "./x.go"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"sohost.path":      "example.com/app/sub_g0123456789ab",
		"symabis":          "def example.com/app/sub_g0123456789ab.f ABI0\n",
		"importcfg.sohost": "packagefile text_gABCDEFGHIJKL=",
	} {
		if got := string(must(os.ReadFile(filepath.Join(dir, name)))); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}

	// The assembler gets the same path; before the package is compiled it keeps the old one.
	asm, err := w.asmArgs(dir, []string{"-p", "example.com/app/sub", "-o", filepath.Join(dir, "x.o")})
	if err != nil || asm[1] != want[4] {
		t.Errorf("the assembler gets %q, %v", asm, err)
	}
	asm, err = w.asmArgs(dir, []string{"-p", "example.com/app/sub", "-gensymabis", "-o", filepath.Join(t.TempDir(), "symabis")})
	if err != nil || asm[1] != "example.com/app/sub" {
		t.Errorf("before compiling, the assembler gets %q, %v", asm, err)
	}
	if asm, err = w.asmArgs(dir, []string{"-o", "x"}); err != nil || !cmp.Equal(asm, []string{"-o", "x"}) {
		t.Errorf("without a path, the assembler gets %q, %v", asm, err)
	}
	if _, err = w.asmArgs(dir, []string{"-p", "x"}); err == nil {
		t.Error("the assembler was accepted without -o")
	}
}

func TestCompileArgsWithoutIsolation(t *testing.T) {
	w := testWrapper(nil)
	std := []string{"-p", "fmt", "-std"}
	if got, err := w.compileArgs("/", std); err != nil || !cmp.Equal(got, std) {
		t.Errorf("the standard library: got %q, %v", got, err)
	}
	shared := mark{roleShared, "github.com/sohost/sohost@v1.2.3/abi"}.String()
	got, err := w.compileArgs("/", []string{shared, "-p", abiPath, "-trimpath", "/src/abi=>" + abiPath + ";/tmp=>"})
	want := []string{"-p", abiPath, "-trimpath", "/src/abi=>github.com/sohost/sohost@v1.2.3/abi;/tmp=>"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	untrimmed := []string{"-p", abiPath}
	if got, err := w.compileArgs("/", append([]string{mark{role: roleShared}.String()}, untrimmed...)); err != nil || !cmp.Equal(got, untrimmed) {
		t.Errorf("without -trimpath: got %q, %v", got, err)
	}
}

func TestCompileArgsRefused(t *testing.T) {
	w, dir := testWrapper(testPlan()), t.TempDir()
	private, shared := mark{role: rolePrivate}.String(), mark{roleShared, "dir"}.String()
	for want, args := range map[string][]string{
		"added during the build": {"-p", "example.com/new"},
		"no -p":                  {private, "-o", "x"},
		"no -buildid":            {private, "-p", "example.com/app"},
		"too short":              {private, "-p", "example.com/app", "-buildid", "0123456789a/x", "-o", "x"},
		"no -o":                  {private, "-p", "example.com/app", "-buildid", "0123456789ab/x"},
		"no -trimpath":           {shared, "-p", abiPath},
		"unexpected form":        {shared, "-p", abiPath, "-trimpath", "a=>b"},
		"unexpected form of":     {shared, "-p", abiPath, "-trimpath", "a;b"},
		"another version":        {"-sohost=0:fresh:", "-p", "x"},
		"missing-symabis":        {private, "-p", "example.com/app", "-buildid", "0123456789ab/x", "-o", t.TempDir() + "/x", "-symabis", "missing-symabis"},
		"missing-importcfg":      {private, "-p", "example.com/app", "-buildid", "0123456789ab/x", "-o", t.TempDir() + "/x", "-importcfg", "missing-importcfg"},
		"missing-dir":            {private, "-p", "example.com/app", "-buildid", "0123456789ab/x", "-o", "missing-dir/x"},
	} {
		if _, err := w.compileArgs(dir, args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
}

func TestPackagePath(t *testing.T) {
	if got, ok := testPlan().packagePath("command-line-arguments"); got != "example.com/app" || !ok {
		t.Errorf("the package of files is %s", got)
	}
	if got, ok := testPlan().packagePath("text"); got != "text" || !ok {
		t.Errorf("the package text is %s", got)
	}
	if got, ok := testPlan().packagePath("example.com/new"); ok {
		t.Errorf("a package that isn't in the plan is %s", got)
	}
}

func TestLinkArgs(t *testing.T) {
	for _, dwarf := range []bool{false, true} {
		p := testPlan()
		p.DWARF = dwarf
		p.Hide = []string{"callback"}
		dir := t.TempDir()
		cfg, main := filepath.Join(dir, "importcfg.link"), archive(t, "mainmainmain")
		write(t, cfg, "packagefile fmt=/cache/fmt\npackagefile text="+archive(t, "texttexttext")+"\npackagefile example.com/app="+main+"\n")
		got, err := testWrapper(p).linkArgs([]string{"-importcfg", cfg, "-pluginpath", "plugin/old", "-extldflags", "'-a b'", "-X", "text.V=1.0", "-X=example.com/app.W=2",
			"-X=fmt.X=3", "-X=bare", "-X", "example.com/other.Y=z", main})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"-importcfg", cfg + ".sohost", "-pluginpath", "example.com/app_gmainmainmain", "-X", "text_gtexttexttext.V=1.0", "-X=main.W=2",
			"-X=fmt.X=3", "-X=bare", "-X", "example.com/other.Y=z"}
		if !dwarf {
			want = append(want, "-w")
		}
		script := filepath.Join(dir, "sohost.ver")
		want = append(want, "-extldflags='-a b' -Wl,--exclude-libs,ALL -Xlinker --version-script="+script, main)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if text := string(must(os.ReadFile(script))); text != versionScript([]string{"callback"}) {
			t.Errorf("got version script %q", text)
		}
		if text := string(must(os.ReadFile(cfg + ".sohost"))); strings.Contains(text, "importmap") || !strings.Contains(text, "packagefile text_gtexttexttext=") {
			t.Errorf("got import configuration\n%s", text)
		}
	}
	for _, args := range [][]string{{"-pluginpath", "p", "x.a"}, {"-importcfg", "c", "x.a"}} {
		if _, err := testWrapper(testPlan()).linkArgs(args); err == nil || !strings.Contains(err.Error(), "no -pluginpath or -importcfg") {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

func TestPrivateArchives(t *testing.T) {
	cfg := filepath.Join(t.TempDir(), "importcfg")
	write(t, cfg, "# import config\nimportmap a=text\npackagefile fmt=/fmt\npackagefile text=/text\npackagefile example.com/app=/app\npackagefile example.com/app/sub=/sub\n")
	got, err := privateArchives(cfg, testPlan())
	if diff := cmp.Diff([]string{"/text", "/sub"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestImportConfigRefused(t *testing.T) {
	for text, want := range map[string]string{
		"packagefile text=\n": "no archive",
		"importmap a=text\n":  "no archive for text",
		"modinfo no string\n": "read the build info",
		"modinfo \"half \n":   "read the build info",
	} {
		if _, _, err := importConfig(text, testPlan(), false, testID); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	got, paths, err := importConfig("importmap a=text\npackagefile text=/text\n", testPlan(), true, testID)
	if want := "packagefile text_g0123456789ab=/text\n"; got != want || err != nil || !cmp.Equal(paths, map[string]string{"text": "text_g0123456789ab"}) {
		t.Errorf("for the linker: got %q, %v, %v", got, paths, err)
	}
}

func TestArchiveID(t *testing.T) {
	if id, err := archiveID(archive(t, "abc-defgh_jklmn")); id != "abc_defgh_jk" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	name := filepath.Join(t.TempDir(), "x.a")
	for text, want := range map[string]string{
		"no id\n": "has no build id", "build id \"short/x\"\n": "too short", "build id bare\n": "read the build id", "": "has no build id",
	} {
		write(t, name, text)
		if _, err := archiveID(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	if _, err := archiveID(name + "-missing"); err == nil {
		t.Error("a missing archive has an id")
	}
}
