// Package browser_test tests the console in a real browser, with real servers and plugins.
package browser_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shop is a server with a few plugins, and a page that looks at it.
func shop(t *testing.T) (*server, *tab) {
	s := start(t, func(plugins string) {
		for name, from := range map[string]string{"catalog": "catalog", "checkout": "checkout", "search": "catalog", "shipping": "checkout"} {
			copyTo(t, built(t, from, "v1"), plugins+"/"+name+".so")
		}
	}, "settle = \"20ms\"\n")
	return s, open(t, s.console)
}

// TestViews does to a server, under load, what each view is there for, and looks at it. The page asks only when something has happened.
func TestViews(t *testing.T) {
	s, p := shop(t)
	stop := s.load("/search", 2)
	p.shows("4 of 4", "catalog", "checkout", "v1")
	p.until(`document.querySelector('.link').innerText === 'live'`)

	t.Run("quiet", func(t *testing.T) {
		time.Sleep(time.Second) // what the page asks for in the beginning
		p.requests()
		time.Sleep(3 * time.Second)
		if asked := p.requests(); len(asked) > 0 {
			t.Errorf("while nothing happens the page asks for %q", asked)
		}
	})
	p.visit("#/plugin/checkout")
	slow := s.load("/checkout?slow", 24)
	for _, version := range []string{"v2", "v3", "v4"} {
		copyTo(t, built(t, "checkout", version), s.file("plugins/checkout.so"))
		p.shows(version, "waited while state moved")
	}
	p.shows("waited, the longest", "Calls were held back")
	if calls, failed := slow(); failed > 0 {
		t.Errorf("%d of %d calls failed", failed, calls)
	}
	p.look("plugin")

	go http.Get(s.url + "/catalog?for=10s")
	p.visit("#/plugin/catalog")
	time.Sleep(1500 * time.Millisecond) // a call is shown once it has run for a second
	copyTo(t, built(t, "catalog", "v2"), s.file("plugins/catalog.so"))
	p.shows("v2", "1 call crossed the flip", "1 call still runs", "GET /catalog")
	p.look("crossing")
	p.shows("retired")

	s.write("broken.so", strings.Repeat("this is no image ", 100))
	copyTo(t, s.file("broken.so"), s.file("plugins/search.so"))
	p.visit("#/plugin/search")
	p.shows("The newest image was refused", "serves on", "at ")
	p.look("refused")

	p.visit("#/timeline")
	p.shows("catalog", "shipping")
	p.look("timeline")
	p.visit("#/history")
	p.shows("refuse", "deploy")
	p.look("history")
	p.visit("#/")
	p.shows("Needs attention", "refused")
	p.look("plugins")
	if calls, failed := stop(); failed > 0 || calls == 0 {
		t.Errorf("%d of %d calls failed", failed, calls)
	}
	p.complaints()
}

// TestOrders gives each order that has a button, and sees what comes of it.
func TestOrders(t *testing.T) {
	s, p := shop(t)
	p.shows("4 of 4")
	p.visit("#/plugin/checkout")
	p.click("Deploy…")
	p.shows("The server copies it into its store", "Callers wait while its state moves")
	p.look("deploy")
	p.do("name an image", chromedp.SetValue("#file", built(t, "checkout", "v2")))
	p.click("Deploy")
	p.shows("serves, after")
	p.click("Close")
	p.shows("v2")
	p.click("Deploy…")
	p.do("name no image", chromedp.SetValue("#file", "/etc/passwd"))
	p.click("Deploy")
	p.shows("Refused at", "Everything serves as before")
	p.click("Close")

	p.click("Roll back…")
	p.shows("Only checkout changes")
	p.click("Roll back")
	p.shows("serves, after")
	p.do("close it by key", chromedp.KeyEvent(kb.Escape))
	p.shows("v1", "rollback")

	p.visit("#/server")
	p.shows("There was none since the server was started")
	p.click("Hand over…")
	p.shows("A new worker process takes over 4 plugins")
	p.click("Hand over")
	p.shows("serves.")
	p.click("Close")
	p.shows("ordered in the console", "prepare", "commit")
	p.look("server")

	s.write("sohost.toml", "settle = \"30ms\"\n")
	p.click("Reload configuration…")
	p.shows("settle", "20ms", "30ms")
	p.click("Reload")
	p.shows("serves with it")
	p.click("Close")

	http.Get(s.url + "/checkout?crash")
	p.visit("#/crashes")
	p.shows("assignment to entry in nil map", "checkout", "Lift…")
	p.look("crashes")
	p.click("Lift…")
	p.shows("It may be tried again")
	p.click("Lift")
	p.shows("may be deployed again")
	p.click("Close")
	p.shows("No image is in quarantine")
	p.click("Stack")
	p.shows("goroutine", ".price")
	if culprit := p.eval(`document.querySelector('.culprit').innerText`); !strings.Contains(culprit, ".price") || !strings.Contains(culprit, "checkout.go:") {
		t.Errorf("the culprit's frame is %s", culprit)
	}
	p.look("crash")
	p.complaints()
}

// TestTriggers disables a trigger and enables it again.
func TestTriggers(t *testing.T) {
	s := start(t, func(plugins string) {
		copyTo(t, built(t, "catalog", "v1"), plugins+"/catalog.so")
	}, "")
	s.run("trigger", "add", "catalog", "request:/also")
	p := open(t, s.console)
	p.shows("1 of 1")
	p.visit("#/plugin/catalog")
	for _, order := range []string{"Disable", "Enable"} {
		p.click(order + "…")
		p.click(order)
		p.shows("Done.")
		p.click("Close")
	}
	p.shows("Disable…")
	p.complaints()
}

// TestDev saves a mistake and then mends it, with `sohost dev` beside the page.
func TestDev(t *testing.T) {
	s, p := shop(t)
	p.visit("#/plugin/catalog")
	dir := s.file("src")
	source(t, "catalog", "v5", dir)
	dev := exec.Command(s.program, "dev", "--name", "catalog", ".")
	dev.Dir, dev.Env = dir, append(os.Environ(), "SOHOST_CONTROL="+s.sock)
	dev.Stdout, dev.Stderr = s.log, s.log
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { dev.Process.Signal(syscall.SIGTERM); dev.Wait() }()
	if at := s.logged(`watch it at (\S+)`); at != s.console+"/#/plugin/catalog" {
		t.Errorf("it says that the console is at %s", at)
	}
	p.shows("v5")
	text, _ := os.ReadFile(dir + "/catalog.go")
	os.WriteFile(dir+"/catalog.go", []byte(strings.Replace(string(text), "fmt.Fprintln(w, version)", "fmt.Fprintln(w, price)", 1)), 0o644)
	p.shows("The build failed", "catalog.go:", "undefined: price")
	p.look("build")
	os.WriteFile(dir+"/catalog.go", []byte(strings.Replace(string(text), `"v5"`, `"v6"`, 1)), 0o644)
	p.shows("v6")
	p.until(`!document.getElementById('build')`)
	p.complaints()
}

// TestKeyboard uses the page without a mouse.
func TestKeyboard(t *testing.T) {
	_, p := shop(t)
	p.shows("4 of 4")
	p.do("go to the filter", input.DispatchKeyEvent(input.KeyDown).WithKey("/").WithCode("Slash").WithText("/"),
		input.DispatchKeyEvent(input.KeyUp).WithKey("/").WithCode("Slash"), chromedp.KeyEvent("ship"))
	p.until(`document.querySelectorAll('.plugins tbody tr').length === 1 && document.activeElement.type === 'search'`)
	p.do("go to the plugin", chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	p.until(`location.hash === '#/plugin/shipping' && document.activeElement.id === 'main'`)
	p.do("go to the first order", chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	p.until(`document.querySelector('dialog[open]')?.contains(document.activeElement)`)
	p.do("leave it", chromedp.KeyEvent(kb.Escape))
	p.until(`!document.querySelector('dialog[open]') && document.activeElement.innerText === 'Deploy…'`)
	p.complaints()
}

// TestHandover goes on in another worker.
func TestHandover(t *testing.T) {
	s, p := shop(t)
	p.shows("4 of 4")
	p.until(`document.querySelector('.link').innerText === 'live'`)
	copyTo(t, built(t, "catalog", "v3"), s.file("plugins/catalog.so"))
	p.shows("v3")
	s.run("handover")
	p.until(`document.querySelector('.link').innerText === 'live'`)
	copyTo(t, built(t, "catalog", "v4"), s.file("plugins/catalog.so"))
	p.shows("v4")
	p.complaints()
}
