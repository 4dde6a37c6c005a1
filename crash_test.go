package sohost

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

// court is a host before its boot, whose store has releases of images that are nothing but their names.
type court struct {
	*Host
	t       *testing.T
	ids     map[string]generations.ID
	release generations.Release // the current one
	died    int
	began   time.Time
}

func newCourt(t *testing.T) *court {
	t.Helper()
	h, err := openHost(Options{Store: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &court{Host: h, t: t, ids: map[string]generations.ID{}, began: time.Now().Add(-time.Minute)}
}

// image brings an image into the store.
func (c *court) image(name string) generations.ID {
	c.t.Helper()
	if id, known := c.ids[name]; known {
		return id
	}
	file := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
		c.t.Fatal(err)
	}
	o, err := c.store.Add(c.t.Context(), file)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ids[name] = o.ID
	return o.ID
}

// publish makes a release of images, each called after its plugin and its version: "a1". "a1<a2" is one that took the place of
// a2 in a rollback.
func (c *court) publish(images ...string) *court {
	c.t.Helper()
	plugins, back := map[string]generations.Entry{}, 0
	for _, name := range images {
		name, from, rolledBack := strings.Cut(name, "<")
		e := generations.Entry{Image: c.image(name)}
		if rolledBack {
			e.Skipped = c.image(from)
			if c.release.Plugins[name[:1]].Image != e.Image {
				back = c.release.Previous
			}
		}
		plugins[name[:1]] = e
		if c.index.Load().names[name[:1]] == nil {
			c.add(Plugin{Name: name[:1]})
		}
	}
	r, err := c.store.Publish(generations.Manifest{Plugins: plugins, RollbackOf: back})
	if err != nil {
		c.t.Fatal(err)
	}
	c.release = r
	return c
}

// pass ends the probation of the current release.
func (c *court) pass() *court {
	c.t.Helper()
	if err := c.store.Confirm(c.release.Number); err != nil {
		c.t.Fatal(err)
	}
	return c
}

func (c *court) quarantine(image string) {
	c.t.Helper()
	if err := c.store.Quarantine(generations.Quarantine{Image: c.image(image)}); err != nil {
		c.t.Fatal(err)
	}
}

// report is that of a worker that ended without a word, a second after the one before.
func (c *court) report() crash.Report {
	c.died++
	return crash.Report{Exit: "exit status 3", Ended: c.began.Add(time.Duration(c.died) * time.Second)}
}

// dies has a worker die without a word while it tried images, as the crash of that number in a row, and checks what is in
// quarantine and left out then.
func (c *court) dies(inARow int, tried []string, quarantined, leftOut string) {
	c.t.Helper()
	for _, name := range tried {
		if err := os.MkdirAll(c.trials(), 0o700); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(c.trialFile(suspect{name[:1], c.image(name)}), nil, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	c.opts.Crashes, c.opts.CrashesInARow = []crash.Report{c.report()}, inARow
	c.checkLeftOut(leftOut)
	c.checkQuarantined(quarantined)
}

func (c *court) checkLeftOut(want string) {
	c.t.Helper()
	if got := strings.Join(slices.Sorted(maps.Keys(c.judgeCrashes(c.release))), " "); got != want {
		c.t.Errorf("after crash %d %q are left out, want %q", c.died, got, want)
	}
}

func (c *court) checkQuarantined(want string) {
	c.t.Helper()
	var got []string
	for name, id := range c.ids {
		if c.quarantined(id) != nil {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if got := strings.Join(got, " "); got != want {
		c.t.Errorf("after crash %d in quarantine are %q, want %q", c.died, got, want)
	}
}

// TestNobodyNamed has workers die without a word: what came last goes, as long as it is in probation.
func TestNobodyNamed(t *testing.T) {
	c := newCourt(t).publish("a1", "b1").pass().publish("a2", "b1").publish("a2", "b2")
	c.dies(1, nil, "b2", "")
	c.dies(2, nil, "a2 b2", "") // the second has died before it could publish what goes back
	c.publish("a1", "b1").pass()
	c.dies(3, nil, "a2 b2", "") // the first with nobody to blame
}

// TestNobodyToBlame goes on dying with images that have proved themselves. Each takes its turn in being left out.
func TestNobodyToBlame(t *testing.T) {
	c := newCourt(t).publish("a1").publish("a1", "b1").publish("a1", "b1", "c1").pass()
	for i, leftOut := range []string{"", "", "c", "b", "a", "b c", "a b c", "a b c"} {
		c.dies(i+1, nil, "", leftOut)
	}
	c.dies(1, nil, "", "") // after a worker that has served for long

	delete(c.index.Load().names, "b")
	c.dies(3, nil, "", "c") // and b, a plugin that the host doesn't have any more, has no turn
	c.dies(4, nil, "", "a")

	first := newCourt(t).publish("a1")
	for i, leftOut := range []string{"", "", "a", "a"} {
		first.dies(i+1, nil, "", leftOut) // in probation, and nothing to go back to
	}
}

// TestKilled has workers killed by somebody: that has to go on for long until a plugin is suspected.
func TestKilled(t *testing.T) {
	c := newCourt(t).publish("a1").pass()
	for i := range 12 {
		report := c.report()
		report.Exit = crash.Killed
		c.opts.Crashes, c.opts.CrashesInARow = []crash.Report{report}, i+1
		want := ""
		if i >= 10 {
			want = "a"
		}
		c.checkLeftOut(want)
	}
	c.checkQuarantined("")
}

// TestTried has workers die while they try images.
func TestTried(t *testing.T) {
	deployed := newCourt(t).publish("a1", "b1").pass().publish("a1", "b2")
	deployed.dies(1, []string{"a2"}, "a2", "") // and not b2, which is in probation
	deployed.dies(2, nil, "a2 b2", "")

	fresh := newCourt(t).publish("a1").pass()
	fresh.dies(1, []string{"n1"}, "", "")
	fresh.dies(2, []string{"n1"}, "n1", "")
	if _, err := fresh.LiftQuarantine(fresh.image("n1").String()); err != nil {
		t.Fatal(err)
	}
	fresh.dies(1, []string{"n1"}, "", "") // begins anew
	fresh.dies(2, []string{"n1"}, "n1", "")

	booted := newCourt(t).publish("a1", "b1").pass()
	booted.dies(1, []string{"b1"}, "", "")
	booted.dies(2, []string{"b1"}, "", "b")
	booted.dies(3, nil, "", "b")
}

// TestTrials begins and ends some: what is left is what the process died of.
func TestTrials(t *testing.T) {
	c := newCourt(t)
	var candidates []*candidate
	for _, name := range []string{"a", "b.c", "d-e"} {
		candidates = append(candidates, &candidate{target: target{plugin: c.add(Plugin{Name: name})}, id: c.image(name)})
		c.beginTrial(candidates[len(candidates)-1])
	}
	c.endTrials(candidates[:1])
	c.endTrials([]*candidate{{target: target{plugin: candidates[0].plugin}}}) // one that didn't come that far
	tried := c.takeTrials()
	slices.SortFunc(tried, func(a, b suspect) int { return strings.Compare(a.plugin, b.plugin) })
	if want := []suspect{candidates[1].suspect(), candidates[2].suspect()}; !slices.Equal(tried, want) {
		t.Errorf("left are %v, want %v", tried, want)
	}
	if again := c.takeTrials(); len(again) != 0 {
		t.Errorf("%v are left for a second process", again)
	}
}

// TestNoQuarantine can't put anything into quarantine: what ought to be there is left out, this time.
func TestNoQuarantine(t *testing.T) {
	c := newCourt(t).publish("a1").pass().publish("a2")
	if err := os.WriteFile(filepath.Join(c.store.Dir(), "quarantine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.opts.Crashes, c.opts.CrashesInARow = []crash.Report{c.report()}, 1
	c.checkLeftOut("a")
}

// TestJudgedOnce shows a crash to a second worker since the first died before it served.
func TestJudgedOnce(t *testing.T) {
	c := newCourt(t).publish("a1").publish("b1").pass()
	c.dies(1, []string{"b1"}, "", "")
	c.checkLeftOut("")
	c.opts.Crashes, c.opts.CrashesInARow = append(c.opts.Crashes, c.report()), 2
	c.checkLeftOut("")
	c.checkQuarantined("")
	if crashes := c.crashes(); len(crashes) != 2 {
		t.Errorf("the history has %d crashes, want 2", len(crashes))
	}
}

// TestNamed blames an image that the process names.
func TestNamed(t *testing.T) {
	names := func(c *court, image string, later time.Duration, quarantined string) {
		t.Helper()
		report := c.report()
		report.Ended = report.Ended.Add(later)
		if err := c.judge(c.release, report, accused{suspect{image[:1], c.image(image)}, true, "in a function"}); err != nil {
			t.Error(err)
		}
		c.checkQuarantined(quarantined)
	}
	c := newCourt(t).publish("a1", "b1").pass().publish("a2", "b1")
	names(c, "a2", 0, "a2")
	names(c, "b1", 0, "a2") // it has passed its probation
	names(c, "b1", relapse, "a2")
	names(c, "b1", relapse+time.Minute, "a2 b1")

	only := newCourt(t).publish("a1")
	names(only, "a1", 0, "") // there is nothing better
	names(only, "a1", 0, "a1")
}

// TestFallback goes back to the confirmed image, or else to the newest, and never to one that is in quarantine or was rolled
// back from.
func TestFallback(t *testing.T) {
	goesBack := func(c *court, from, want string) {
		t.Helper()
		e, ok := c.fallback(c.release, suspect{from[:1], c.image(from)})
		if ok != (want != "") || ok && e.Image != c.image(want) {
			t.Errorf("from %s it goes back to %s (%v), want %q", from, e.Image.Short(), ok, want)
		}
	}
	c := newCourt(t).publish("a1").pass().publish("a2").publish("a3").publish("a2<a3")
	goesBack(c, "a2", "a1")
	goesBack(c, "a4", "a1") // which no release has
	goesBack(c, "a1", "a2")
	c.quarantine("a1")
	goesBack(c, "a4", "a2")
	goesBack(c, "a2", "")

	c = newCourt(t).publish("a1").publish("a2").publish("a3")
	goesBack(c, "a3", "a2")
	c.quarantine("a2")
	goesBack(c, "a3", "a1")
}

// TestUnservedRelease is not confirmed: what it names has not proved itself.
func TestUnservedRelease(t *testing.T) {
	c := newCourt(t).publish("a1")
	c.Host.release.Store(&c.release)
	c.add(Plugin{Name: "a"})
	if err := c.confirm(); err != nil {
		t.Fatal(err)
	}
	if r, err := c.store.Confirmed(); err == nil {
		t.Errorf("release %d is confirmed", r.Number)
	}
}
