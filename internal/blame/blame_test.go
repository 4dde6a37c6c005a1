package blame

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/inflight"
)

// story is a record in memory. Images are named after their plugin and its version: "a1".
type story struct {
	Record
	t           *testing.T
	releases    []generations.Release // oldest first; number 1 is at index 0
	quarantined map[string]bool
	gone        map[string]bool // plugins that the host doesn't have any more
	died        int
	began       time.Time
	boot        string // of the machine; empty if nobody knows how long that is up
}

func newStory(t *testing.T) *story {
	s := &story{t: t, quarantined: map[string]bool{}, gone: map[string]bool{}, began: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)}
	s.Previous = func(r generations.Release) (generations.Release, bool) {
		if r.Previous == 0 {
			return generations.Release{}, false
		}
		return s.releases[r.Previous-1], true
	}
	s.Quarantined = func(id generations.ID) bool { return s.quarantined[name(id)] }
	s.Has = func(plugin string) bool { return !s.gone[plugin] }
	s.OwnPackages = func(id generations.ID) (map[string]struct{}, bool) { // a package of its name, and one of its plugin's
		return map[string]struct{}{"p/" + name(id): {}, "p/" + name(id)[:1]: {}}, !strings.HasSuffix(name(id), "?")
	}
	s.HostPackage = func(pkg string) bool { return strings.HasPrefix(pkg, "host") }
	return s
}

// image returns an ID that shows its name.
func image(name string) (id generations.ID) {
	copy(id[:], name)
	return id
}

func name(id generations.ID) string { return strings.TrimRight(string(id[:]), "\x00") }

// publish adds a release of images. "a1<a2" is an a1 that has replaced a2 in a rollback.
func (s *story) publish(images ...string) *story {
	plugins, back := map[string]generations.Entry{}, 0
	for _, name := range images {
		name, from, rolledBack := strings.Cut(name, "<")
		e := generations.Entry{Image: image(name)}
		if rolledBack {
			e.Skipped = image(from)
			if s.Current.Plugins[name[:1]].Image != e.Image {
				back = s.Current.Previous
			}
		}
		plugins[name[:1]] = e
	}
	r := generations.Release{Manifest: generations.Manifest{
		Number: len(s.releases) + 1, Previous: len(s.releases), RollbackOf: back, Plugins: plugins,
	}}
	s.releases, s.Current = append(s.releases, r), r
	return s
}

// pass ends the probation of the current release.
func (s *story) pass() *story {
	s.Confirmed = s.Current
	return s
}

func suspects(names ...string) (found []Suspect) {
	for _, n := range names {
		found = append(found, Suspect{n[:1], image(n)})
	}
	return found
}

// end returns the time of the next crash, a second after the one before.
func (s *story) end() time.Time {
	s.died++
	return s.began.Add(time.Duration(s.died) * time.Second)
}

// calls returns a table of calls. "a1" is an image in a call, "a1:New" one in New, "a1:bg" one with work in the background, and
// "a1@90" one in a call that was in calls 90 of 100 times before.
func calls(images ...string) *inflight.Snapshot {
	c := new(inflight.Snapshot)
	for _, text := range images {
		name, step, _ := strings.Cut(text, ":")
		name, busy, looked := strings.Cut(name, "@")
		im := inflight.Image{Plugin: name[:1], Image: image(name)}
		switch step {
		case "":
			im.Calls = 1
		case "bg":
			im.Background = true
		default:
			im.Steps = []string{step}
		}
		if looked {
			fmt.Sscan(busy, &im.Busy)
			im.Busy, im.Looked = im.Busy/100, 100
		}
		c.Images = append(c.Images, im)
	}
	return c
}

// exits lets a worker end without a word, as the crash of that number in a row, while images were in calls. It then checks
// what is in quarantine and what is left out.
func (s *story) exits(inARow int, running []string, quarantined, leftOut string) Finding {
	s.t.Helper()
	return s.diesOf(crash.Report{Exit: "exit status 3", Ended: s.end(), Calls: calls(running...)}, inARow, nil, quarantined, leftOut)
}

// dies is exits for a supervisor that has no table of calls, while images were tried.
func (s *story) dies(inARow int, tried []string, quarantined, leftOut string) Finding {
	s.t.Helper()
	report := crash.Report{Exit: "exit status 3", Ended: s.end()}
	if s.boot != "" {
		report.Uptime = generations.Uptime{Boot: s.boot, Since: time.Duration(s.died) * time.Second}
	}
	return s.diesOf(report, inARow, tried, quarantined, leftOut)
}

func (s *story) diesOf(report crash.Report, inARow int, tried []string, quarantined, leftOut string) Finding {
	s.t.Helper()
	f := s.Find(report, suspects(tried...))
	if s.Condemns(f, report.When()) {
		s.quarantined[name(f.Image)] = true
	}
	s.Events = append(s.Events, generations.Event{
		Kind: generations.KindCrash, Time: report.Ended, Uptime: report.Uptime, From: f.Image, Release: s.Current.Number, Detail: report.Reason() + ", " + f.Evidence,
		Evidence: string(f.Strength), Suspects: f.Suspects,
	})
	if got := strings.Join(slices.Sorted(maps.Keys(s.LeftOut(inARow, report.When()))), " "); got != leftOut {
		s.t.Errorf("after crash %d left out are %q, want %q", s.died, got, leftOut)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(s.quarantined)), " "); got != quarantined {
		s.t.Errorf("after crash %d in quarantine are %q, want %q", s.died, got, quarantined)
	}
	return f
}

// TestExits ends workers without a word while images are in calls: whether others are in probation or being deployed says nothing
// against them.
func TestExits(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a1", "b2")
	s.exits(1, []string{"a1"}, "", "") // confirmed: another chance. And b2 is in probation, but in no call
	s.exits(2, []string{"a1"}, "a1", "")

	s = newStory(t).publish("a1", "b1", "c1").pass().publish("a2", "b1", "c2")
	s.exits(1, []string{"a2"}, "a2", "")

	s = newStory(t).publish("a1", "b1", "c1").pass().publish("a2", "b2", "c1")
	s.exits(1, []string{"a2", "b2"}, "", "") // one of two
	s.exits(1, []string{"b2", "c1"}, "", "") // likely b2, but there may be two culprits
	s.exits(1, []string{"b2"}, "b2", "")
	s = newStory(t).publish("a1", "b1", "c1").pass()
	s.exits(1, []string{"a1", "b1"}, "", "")
	s.exits(1, []string{"b1", "c1"}, "", "")
	s.exits(1, []string{"a1", "c1"}, "", "")

	s = newStory(t).publish("a1", "b1", "c1").pass() // each deploy ends the worker, while others always are in calls
	s.exits(1, []string{"a2:New", "b1@99", "c1@99"}, "", "")
	s.exits(1, []string{"a2:New", "b1@99", "c1@99"}, "a2", "")
}

// TestSeldomInCalls blames the image that seldom is in a call, among others that always are.
func TestSeldomInCalls(t *testing.T) {
	s := newStory(t).publish("a1", "b1", "h1").pass().publish("a2", "b2", "h1")
	f := s.exits(1, []string{"h1@99", "a2@0"}, "a2", "")
	if f.Strength != Strong || !strings.Contains(f.Evidence, "while 2 images were in calls, of which it seldom is") {
		t.Errorf("found %+v", f)
	}
	// Another culprit: h1 was in a call both times, and is innocent.
	s.exits(1, []string{"h1@99", "b2@1"}, "a2 b2", "")
	if f := s.exits(1, []string{"h1@99", "c1@90"}, "a2 b2", ""); f.Strength != Weak || f.Image != (generations.ID{}) {
		t.Errorf("of two that are busy found is %+v", f)
	}
}

// TestInit has an image in its init, which has run in a probe before: another one in a call is the likelier.
func TestInit(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	s.exits(1, []string{"a2@0", "b2:init"}, "a2", "")
	s = newStory(t).publish("a1", "b1").pass()
	if f := s.exits(1, []string{"b2:init"}, "b2", ""); f.Strength != Strong {
		t.Errorf("found %+v", f)
	}
}

// TestBackground ends workers while no image is in a call: work in the background is a weak suspicion that must repeat.
func TestBackground(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	if f := s.exits(1, []string{"a2:bg"}, "", ""); f.Strength != Weak || name(f.Image) != "a2" {
		t.Errorf("found %+v", f)
	}
	s.exits(1, []string{"a2:bg"}, "a2", "")
	if f := s.exits(1, nil, "a2", ""); f.Strength != "" || !f.Image.IsZero() {
		t.Errorf("found %+v", f)
	}
}

// TestNobodyToBlame goes on dying with nothing in calls: each plugin takes its turn at being left out.
func TestNobodyToBlame(t *testing.T) {
	s := newStory(t).publish("a1").publish("a1", "b1").publish("a1", "b1", "c1").pass()
	for i, leftOut := range []string{"", "", "c", "b", "a", "b c", "a b c", "a b c"} {
		s.exits(i+1, nil, "", leftOut)
	}
	s.exits(1, nil, "", "") // after a worker that has served for a long time

	s.gone["b"] = true
	s.exits(3, nil, "", "c") // and b has no turn
	s.exits(4, nil, "", "a")

	suspected := newStory(t).publish("a1").publish("a1", "b1").publish("a1", "b1", "c1").pass()
	for i, leftOut := range []string{"", "", "a", "b"} { // of those suspected the newest comes first, but not before them
		suspected.exits(i+1, [][]string{{"a1", "b1"}, {"a1", "c1"}, {"a1", "b1"}, {"a1", "b1"}}[i], "", leftOut)
	}
	empty := newStory(t)
	for i := range 4 {
		empty.exits(i+1, nil, "", "")
	}
}

// TestLongAgo has crashes in a row that are too far apart to be related.
func TestLongAgo(t *testing.T) {
	s := newStory(t).publish("a1").pass()
	for i, leftOut := range []string{"", "", "a"} {
		s.exits(i+1, nil, "", leftOut)
	}
	s.began = s.began.Add(relapse - 2*time.Second) // the first crash is too long ago by now, the others are not
	s.exits(4, nil, "", "a")
	s.began = s.began.Add(time.Hour)
	for i, leftOut := range []string{"", "", "a"} {
		s.exits(i+5, nil, "", leftOut)
	}
	weak := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	weak.exits(1, []string{"a2:bg"}, "", "")
	weak.began = weak.began.Add(relapse)
	weak.exits(1, []string{"a2:bg"}, "", "")
}

// TestKilled lets workers be killed, perhaps from outside: no image goes into quarantine for the first time.
func TestKilled(t *testing.T) {
	killed := func(s *story, inARow int, running []string, quarantined, leftOut string) Finding {
		t.Helper()
		return s.diesOf(crash.Report{Exit: crash.Killed, Ended: s.end(), Calls: calls(running...)}, inARow, nil, quarantined, leftOut)
	}
	s := newStory(t).publish("a1").pass()
	for i := range 12 {
		killed(s, i+1, nil, "", map[bool]string{true: "a"}[i >= 10])
	}
	s = newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	if f := killed(s, 1, []string{"a2@0"}, "", ""); f.Strength != Weak || name(f.Image) != "a2" {
		t.Errorf("found %+v", f)
	}
	if f := killed(s, 1, []string{"a2@0", "b1@50"}, "a2", ""); f.Strength != Strong {
		t.Errorf("found %+v", f)
	}
	// Whoever kills workers finds an image in a call that is always in one, or in a step that takes long.
	for _, running := range []string{"a2@90", "a2", "a2:New", "a2:bg"} {
		s = newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
		for range 8 {
			killed(s, 1, []string{running}, "", "")
		}
	}
	s = newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	s.diesOf(crash.Report{Exit: "exit status 2", Why: "it didn't answer for 10s", Ended: s.end(), Calls: calls("a2")}, 1, nil, "", "")
}

// TestStopped stops workers from outside again and again, always while one image is in a call: none is blamed, whatever the stacks
// say, and none is left out before the eleventh time.
func TestStopped(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	for i := range 11 {
		report := crash.Report{
			Exit: "exit status 2", Why: "it didn't answer for 10s", Stopped: true, Ended: s.end(), Calls: calls("a2"), Output: stack("p/a2"),
		}
		f := s.diesOf(report, i+1, []string{"a2"}, "", map[bool]string{true: "a"}[i >= 10])
		if f.Strength != Outside || !f.Image.IsZero() || len(f.Suspects) > 0 {
			t.Errorf("found %+v", f)
		}
	}
}

// TestSuspected names the image that a plugin is left out for: not one that was replaced before the last crashes.
func TestSuspected(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	suspected := func(want string) {
		t.Helper()
		if got := name(s.Suspected("a", 10, generations.Moment{Time: s.end()})); got != want {
			t.Errorf("suspected is %q, want %q", got, want)
		}
	}
	s.exits(1, []string{"a2", "b1"}, "", "")
	suspected("a2")
	s.publish("a3", "b1")
	suspected("")
	s.exits(2, []string{"a4", "b1"}, "", "") // which was being deployed
	suspected("a4")
}

// TestTried lets workers die while they try images, under a supervisor that keeps no table of calls.
func TestTried(t *testing.T) {
	deployed := newStory(t).publish("a1", "b1").pass().publish("a1", "b2")
	deployed.dies(1, []string{"a2", "c2"}, "", "") // one of two
	deployed.dies(2, []string{"a2"}, "a2", "")

	probation := newStory(t).publish("a1", "b1").pass().publish("a1", "b2")
	probation.dies(1, nil, "", "")
	probation.dies(2, nil, "b2", "")
}

// TestHost lets workers die of the host's own code: no image is blamed, and none is left out for it.
func TestHost(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	for i := range 9 {
		report := crash.Report{Output: stack("runtime", "host/x", "main"), Ended: s.end(), Calls: calls("a2")}
		f := s.diesOf(report, i+1, []string{"a2"}, "", "")
		if f.Strength != Host || !strings.Contains(f.Evidence, "in the host's own host/x.F") {
			t.Errorf("found %+v", f)
		}
	}
	// Host code that an image has called: a suspicion.
	s = newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	report := crash.Report{Output: stack("runtime", "host/x", "p/a2"), Ended: s.end(), Calls: calls("a2", "b1")}
	f := s.diesOf(report, 1, nil, "", "")
	if f.Strength != Weak || name(f.Image) != "a2" || !strings.Contains(f.Evidence, "in the host's own host/x.F (file.go:1), called in p/a2.F") {
		t.Errorf("found %+v", f)
	}
	report.Ended = s.end()
	s.diesOf(report, 2, nil, "a2", "")
	// An image's code that the host has called.
	s = newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	s.diesOf(crash.Report{Output: stack("p/a2", "host/x"), Ended: s.end()}, 1, nil, "a2", "")
}

// stack returns the crash output of a process whose innermost functions belong to the packages.
func stack(packages ...string) string {
	var b strings.Builder
	b.WriteString("panic: boom\n\ngoroutine 7 [running]:\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "%s.F()\n\tfile.go:1 +0x1\n", p)
	}
	return b.String()
}

// TestNamed blames an image that the stack names.
func TestNamed(t *testing.T) {
	names := func(s *story, image string, later time.Duration, quarantined string) {
		t.Helper()
		s.diesOf(crash.Report{Output: stack("p/" + image), Ended: s.end().Add(later)}, 1, nil, quarantined, "")
	}
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	names(s, "a2", 0, "a2")
	names(s, "b1", 0, "a2") // it has passed its probation
	names(s, "b1", relapse, "a2")
	names(s, "b1", relapse+time.Minute, "a2 b1")

	only := newStory(t).publish("a1")
	names(only, "a1", 0, "") // there is nothing better
	names(only, "a1", 0, "a1")
}

func TestFind(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1").publish("a2", "b2")
	tests := []struct {
		what     string
		output   string
		running  *inflight.Snapshot
		tried    []string
		want     string // "" means nobody
		strength Strength
		evidence string
	}{
		{"one in a call", "", calls("a2"), []string{"b2"}, "a2", Strong, "while no other image was in a call (1 call)"},
		{"one in New", "", calls("b2:New"), nil, "b2", Strong, "(in New)"},
		{"two in calls", "", calls("a2", "b2"), nil, "", Weak, "while 2 images were in calls"},
		{"perhaps two", "", &inflight.Snapshot{Images: calls("a2").Images, Partial: true}, nil, "a2", Weak, "no other image"},
		{"nothing in a call, one tried", "", calls(), []string{"c3"}, "c3", Weak, "while no image was in a call, and 1 "},
		{"nothing known, one in probation of two", "", nil, nil, "", Weak, "in probation"},
		{"nothing known, one tried", "", nil, []string{"c3"}, "c3", Weak, "being tried"},
		{"named", stack("runtime", "p/a2", "p/b2"), calls("b2"), []string{"b2"}, "a2", Certain, "in p/a2.F (file.go:1)"},
		{"named, and only tried", stack("p/c3"), nil, []string{"c3"}, "c3", Certain, "in p/c3.F"},
		{"named, of an earlier release", stack("p/a1"), nil, nil, "a1", Certain, "in p/a1.F"},
		{"a package of two images", stack("p/a"), calls("c3"), []string{"c3", "a3"}, "c3", Strong, "no other image"},
		{"out of memory", strings.Replace(stack("p/a2"), "panic: boom", "fatal error: out of memory", 1), nil, nil, "a2", Strong, "in p/a2.F"},
	}
	for _, test := range tests {
		f := s.Find(crash.Report{Output: test.output, Calls: test.running}, suspects(test.tried...))
		if name(f.Image) != test.want || f.Strength != test.strength || !strings.Contains(f.Evidence, test.evidence) {
			t.Errorf("%s: found %s, %s, %q", test.what, name(f.Image), f.Strength, f.Evidence)
		}
	}
	if f := newStory(t).publish("a1").pass().Find(crash.Report{}, nil); !f.Image.IsZero() || f.Strength != "" {
		t.Errorf("nobody is to blame, and found is %+v", f)
	}
	unread := newStory(t).publish("a?").pass()
	if f := unread.Find(crash.Report{Output: stack("p/a?")}, nil); !f.Image.IsZero() {
		t.Errorf("an image that can't be read is found: %+v", f)
	}
}

// TestNext tries images again that may be innocent, or that are all there is.
func TestNext(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1")
	now := generations.Moment{Time: s.end()}
	for _, test := range []struct {
		image    string
		strength Strength
		tries    int
		after    time.Duration // 0: never
	}{
		{"a2", Certain, 0, 0}, {"a2", Strong, 0, time.Minute}, {"b1", Certain, 0, time.Minute},
		{"a2", Strong, 1, 2 * time.Minute}, {"a2", Strong, 5, 32 * time.Minute}, {"a2", Strong, 6, time.Hour}, {"a2", Strong, 60, time.Hour},
	} {
		next := s.Next(Finding{Suspect: suspects(test.image)[0], Strength: test.strength}, now, test.tries)
		if test.after == 0 != next.Time.IsZero() || test.after > 0 && next.Sub(now) != test.after {
			t.Errorf("%s, %s, tried %d times: %v, want %v later", test.image, test.strength, test.tries, next, test.after)
		}
	}
}

// TestFarBack looks for a named image in releases of long ago, up to a limit.
func TestFarBack(t *testing.T) {
	for _, releases := range []int{farBack, farBack + 1, farBack + 5} {
		s := newStory(t).publish("a1", "b1")
		for range releases {
			s.publish("a2", "b1")
		}
		s.pass()
		f := s.Find(crash.Report{Output: stack("p/a1")}, nil)
		if found := !f.Image.IsZero(); found != (releases <= farBack) {
			t.Errorf("%d releases ago: found %v", releases, found)
		}
	}
}

// TestFallback goes back to the confirmed image, or else to the newest, and never to one that is in quarantine or was
// rolled back from.
func TestFallback(t *testing.T) {
	goesBack := func(s *story, from, want string) {
		t.Helper()
		e, ok := s.Fallback(suspects(from)[0])
		if ok != (want != "") || ok && name(e.Image) != want {
			t.Errorf("from %s it goes back to %s (%v), want %q", from, name(e.Image), ok, want)
		}
	}
	s := newStory(t).publish("a1").pass().publish("a2").publish("a3").publish("a2<a3")
	goesBack(s, "a2", "a1")
	goesBack(s, "a4", "a1") // which no release has
	goesBack(s, "a1", "a2")
	goesBack(s, "b1", "") // of a plugin that no release has
	s.quarantined["a1"] = true
	goesBack(s, "a4", "a2")
	goesBack(s, "a2", "") // and not to a3
	s.publish("a2<a3")    // goes on
	goesBack(s, "a2", "")

	s = newStory(t).publish("a1").publish("a2").publish("a3")
	goesBack(s, "a3", "a2")
	s.quarantined["a2"] = true
	goesBack(s, "a3", "a1")
}

func TestConfirmed(t *testing.T) {
	s := newStory(t).publish("a1").pass().publish("a2")
	for _, test := range []struct {
		s    Suspect
		want bool
	}{{suspects("a1")[0], true}, {suspects("a2")[0], false}, {suspects("b1")[0], false}, {Suspect{Plugin: "b"}, false}} {
		if s.confirmed(test.s) != test.want {
			t.Errorf("%s %s is confirmed: %v", test.s.Plugin, name(test.s.Image), !test.want)
		}
	}
}

// TestClockSet has the clock set, forward and back, between crashes that are seconds apart. They are one row all the same.
func TestClockSet(t *testing.T) {
	s := newStory(t).publish("a1").pass()
	s.boot = "one"
	for i, leftOut := range []string{"", "", "a", "a"} {
		s.dies(i+1, nil, "", leftOut)
		s.began = s.began.Add([]time.Duration{24, -48}[i%2] * time.Hour)
	}
	s = newStory(t).publish("a1").pass() // and an image that relapses is one that is to blame
	s.boot = "one"
	for i, quarantined := range []string{"", "a1"} {
		report := crash.Report{Output: stack("p/a1"), Ended: s.end(), Uptime: generations.Uptime{Boot: "one", Since: time.Duration(i) * time.Minute}}
		s.diesOf(report, 1, nil, quarantined, "")
		s.began = s.began.Add(-24 * time.Hour)
	}
}

// TestClockSetAcrossBoots has crashes that seem to lie ahead, since the clock was set back and the machine booted. They are as
// unrelated as those long ago.
func TestClockSetAcrossBoots(t *testing.T) {
	s := newStory(t).publish("a1").pass()
	s.began = s.began.Add(24 * time.Hour)
	for i, leftOut := range []string{"", "", "a"} {
		s.dies(i+1, nil, "", leftOut)
	}
	s.began = s.began.Add(-24 * time.Hour)
	s.dies(4, nil, "", "")
}

// TestExitsLater ends workers by a goroutine that an image has left behind, while no image is in a call: the one in probation is
// suspected, although it isn't known to have work in the background.
func TestExitsLater(t *testing.T) {
	s := newStory(t).publish("a1", "b1", "c1").pass().publish("a2", "b1", "c1")
	s.exits(1, nil, "", "")
	s.exits(2, nil, "a2", "")

	s = newStory(t).publish("a1", "b1", "c1").pass().publish("a2", "b1", "c1") // among others that have
	s.exits(1, []string{"b1:bg", "c1:bg"}, "", "")
	s.exits(2, []string{"b1:bg", "c1:bg"}, "", "")
	f := s.exits(3, []string{"b1:bg", "c1:bg"}, "", "a")
	if entry, ok := s.LastGood(Suspect{"a", image("a2")}); !ok || entry.Image != image("a1") {
		t.Errorf("the last good one is %v, %v", entry, ok)
	}
	if entry, ok := s.LastGood(Suspect{"b", image("b1")}); ok {
		t.Errorf("what is confirmed has %v as the last good one", entry)
	}
	if len(f.Suspects) != 3 || s.InVain(3, generations.Moment{Time: s.began}) || s.InVain(5, generations.Moment{Time: s.began}) {
		t.Errorf("suspected are %v, and others have had no turn yet", f.Suspects)
	}
	for inARow, leftOut := range []string{"b", "c", "a b"} {
		s.exits(4+inARow, []string{"b1:bg", "c1:bg"}, "", leftOut)
	}
	if !s.InVain(6, generations.Moment{Time: s.began}) {
		t.Error("all had their turn, and fallbacks are still thought to help")
	}
}
