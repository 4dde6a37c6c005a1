package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	asked []string // what it has asked the server for
	wrong []string // what the browser complains of
}

// open opens a page in a browser of its own.
func open(t *testing.T, url string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 860))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // it complains of events newer than itself
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			p.asked = append(p.asked, strings.TrimPrefix(e.Request.URL, url))
		case *runtime.EventExceptionThrown:
			p.wrong = append(p.wrong, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Source == log.SourceSecurity || e.Entry.Source == log.SourceViolation {
				p.wrong = append(p.wrong, e.Entry.Text)
			}
		}
	})
	if err := chromedp.Run(ctx); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	p.do("open the page", network.Enable(), log.Enable(), chromedp.Navigate(url))
	return p
}

// do runs actions that must come to an end.
func (p *tab) do(what string, actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v\nthe page has: %s", what, err, p.text())
	}
}

// text returns what the page shows.
func (p *tab) text() (text string) {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &text))
	return text
}

// until waits until an expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	p.do("wait for "+expression, chromedp.ActionFunc(func(ctx context.Context) error { // chromedp.Poll needs what the page's policy forbids
		for is := false; ; {
			if err := chromedp.Evaluate(fmt.Sprintf("Boolean(%s)", expression), &is).Do(ctx); err != nil || is {
				return err
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}))
}

// shows waits until the page, or the dialog if one is open, has all the texts.
func (p *tab) shows(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until(fmt.Sprintf(`(document.querySelector('dialog[open]') ?? document.getElementById('main')).innerText.includes(%s)`, quote(text)))
	}
}

func quote(text string) string {
	b, _ := json.Marshal(text) // a text
	return string(b)
}

// eval returns what an expression is.
func (p *tab) eval(expression string) (text string) {
	p.t.Helper()
	p.do("evaluate "+expression, chromedp.Evaluate(fmt.Sprintf("String(%s)", expression), &text))
	return text
}

// click clicks the button or the link with a text.
func (p *tab) click(text string) {
	p.t.Helper()
	find := fmt.Sprintf(`//*[self::button or self::a][normalize-space()=%s]`, quote(text))
	p.do("click "+text, chromedp.Click(find, chromedp.BySearch, chromedp.NodeVisible))
}

// visit shows a view.
func (p *tab) visit(hash string) {
	p.t.Helper()
	p.do("visit "+hash, chromedp.Evaluate(fmt.Sprintf("location.hash = %s", quote(hash)), nil))
}

// scheme makes the system light or dark.
func (p *tab) scheme(name string) {
	p.t.Helper()
	p.do("be "+name, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// size gives the window a size.
func (p *tab) size(width, height int64) {
	p.t.Helper()
	p.do("resize", emulation.SetDeviceMetricsOverride(width, height, 1, false))
}

// picture returns a picture of the whole page.
func (p *tab) picture() (png []byte) {
	p.t.Helper()
	p.do("take a picture", chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	return png
}

// look keeps pictures of what the page shows, light, dark and on a phone, and fails for what axe finds wrong with it or does not fit.
func (p *tab) look(name string) {
	p.t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		p.scheme(scheme)
		p.keep(name+"-"+scheme, p.picture())
		p.axe(name + ", " + scheme)
	}
	p.size(390, 800)
	p.keep(name+"-narrow", p.picture())
	if wide := p.eval(`document.documentElement.scrollWidth`); wide != "390" {
		p.t.Errorf("%s: on a window of 390 pixels the page is %s wide", name, wide)
	}
	p.size(1280, 860)
}

func (p *tab) keep(name string, png []byte) {
	p.t.Helper()
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
	if *pictures != "" && readme[name] != "" {
		if err := os.WriteFile(filepath.Join(*pictures, readme[name]), reduced(p.t, png), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}

// axe fails for each violation of the rules for accessible pages that axe-core finds.
func (p *tab) axe(where string) {
	p.t.Helper()
	script, err := os.ReadFile(*axe)
	if err != nil {
		p.t.Fatal(err)
	}
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	p.do("ask axe", chromedp.Evaluate(string(script)+"; 0", nil), chromedp.Evaluate(`axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']}).then(r => r.violations)`,
		&found, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	for _, v := range found {
		for _, n := range v.Nodes {
			p.t.Errorf("%s: %s (%s): %s: %s", where, v.Help, v.ID, n.HTML, n.FailureSummary)
		}
	}
}

// requests returns what the page has asked for since it was last called.
func (p *tab) requests() (asked []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, p.asked = p.asked, nil
	return asked
}

// complaints fails for exceptions and for what a policy of the page has kept from it.
func (p *tab) complaints() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.wrong {
		p.t.Error(w)
	}
}

// typed replaces what is in a field, as by keys.
func typed(field, text string) chromedp.Action {
	return chromedp.Tasks{chromedp.Focus(field), chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).select?.()", field), nil), chromedp.KeyEvent(text)}
}
