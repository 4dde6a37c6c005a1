package browser_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// many is how many plugins the page must be quick with.
const many = 300

// mostScript is how long the page may take to draw them, in ms, but for the browser's layout. Beside a load of 30 it took 115.
const mostScript = 400

// TestMany draws and filters 300 plugins, and follows one that changes.
func TestMany(t *testing.T) {
	s := start(t, func(plugins string) {
		for n := range many {
			copyTo(t, built(t, "catalog", "v1"), filepath.Join(plugins, fmt.Sprintf("plugin-%03d.so", n)))
		}
	}, "checkpoints = \"off\"\n")
	p := open(t, s.console)
	p.shows("300 of 300", "plugin-299")
	for _, view := range []string{"#/timeline", "#/"} {
		took := math.Inf(1) // the machine may be busy with something else
		for range 5 {
			drawn, err := strconv.ParseFloat(p.eval(fmt.Sprintf(`(() => {
				const go = to => { history.replaceState(null, '', to); dispatchEvent(new HashChangeEvent('hashchange')); };
				go('#/server');
				const t = performance.now();
				go(%q);
				return performance.now() - t;
			})()`, view)), 64)
			if err != nil {
				t.Fatal(err)
			}
			took = min(took, drawn)
		}
		t.Logf("%s: %d plugins are drawn anew in %.1f ms", view, many, took)
		if took > mostScript {
			t.Errorf("%s: %d plugins are drawn in %.0f ms, want at most %d", view, many, took, mostScript)
		}
		p.look("many-" + map[string]string{"#/": "plugins", "#/timeline": "timeline"}[view])
	}
	copyTo(t, built(t, "catalog", "v2"), s.file("plugins/plugin-150.so"))
	p.shows("v2")
	p.do("filter", typed("input[type=search]", "v2"))
	p.until(`document.querySelectorAll('.plugins tbody tr').length === 1`)
	p.complaints()
}

// TestToken logs in.
func TestToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef0123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(plugins string) { copyTo(t, built(t, "catalog", "v1"), plugins+"/catalog.so") }, "", "--console-token-file", token)
	p := open(t, s.console)
	p.shows("Log in")
	p.look("login")
	p.do("guess", typed("#token", "0123456789abcdef0000"))
	p.click("Log in")
	p.shows("that is not the token")
	p.do("know it", typed("#token", "0123456789abcdef0123"))
	p.click("Log in")
	p.shows("1 of 1")
	p.until(`document.querySelector('.link').innerText === 'live'`)
	p.complaints()
}
