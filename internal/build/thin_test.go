package build

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var thinAll = flag.Bool("thin-all", false, "TestThinHost: all packages of the standard library, instead of some")

// someThin are packages of which each took something else to be slim on a thin host: one calls an inlined function of a package that only
// the host's packages import, one is also C code, with one the runtime talks, and one refers to types that only the runtime describes.
const someThin = "archive/tar crypto/tls encoding/gob net net/netip os/user runtime/cgo runtime/coverage"

// fullOnThin are the packages that a thin host has to import for a plugin that uses them, with what the reason says: nothing but tests
// uses them.
var fullOnThin = map[string]string{
	"runtime/coverage": "the host doesn't have it), but the runtime can't: have the host import it",
	"testing/synctest": "which testing/synctest uses), but the runtime can't: have the host use it, too",
}

// TestThinHost builds, for a host that has little more than package native, a plugin for each package of the standard library, which
// refers to all functions and types that the package exports. Then it opens all of them in one process.
func TestThinHost(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds an image for each package of the standard library; make pairs runs it")
	}
	p := newPairs(t)
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := slices.DeleteFunc(strings.Fields(string(out)), func(path string) bool { return !importable(path) })
	if !*thinAll {
		paths = strings.Fields(someThin)
	}
	p.world = &world{refs: map[string][]string{}}
	p.world.read(stdTypes(t, paths))
	p.addHost(0, false)
	var images []string
	for i, path := range paths {
		var refs strings.Builder
		for _, r := range p.world.refs[path] {
			fmt.Fprintf(&refs, "\trefer(%s)\n", strings.ReplaceAll(r, "@", "p."))
		}
		if refs.Len() == 0 {
			continue // it exports constants and generic functions only
		}
		p.plugins = append(p.plugins, pairPlugin{dir: p.module(fmt.Sprintf("each%d", i), pluginSource("\tp \""+path+"\"\n", refs.String()))})
		image, why := p.build(&p.hosts[0], len(p.plugins)-1, false)
		images = append(images, image)
		if want := fullOnThin[path]; (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s is full because of %q, want %q", path, why, want)
		}
	}
	for i, answer := range p.ask(&p.hosts[0], images) {
		if isRefusal(answer) || strings.HasPrefix(answer, `"not opened`) {
			t.Errorf("%s: %s", filepath.Base(images[i]), answer)
		}
	}
	t.Logf("%d packages, %d of them in full images", len(images), p.full)
}

// importable reports whether plugins can import a package of the standard library.
func importable(path string) bool {
	return !strings.HasPrefix(path, "vendor/") && !strings.Contains("/"+path+"/", "/internal/")
}
