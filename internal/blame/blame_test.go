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

// dies lets a worker die without a word, as the crash of that number in a row, while it tried images. It then checks
// what is in quarantine and what is left out.
func (s *story) dies(inARow int, tried []string, quarantined, leftOut string) {
	s.t.Helper()
	s.diesOf(crash.Report{Exit: "exit status 3", Ended: s.end()}, inARow, tried, quarantined, leftOut)
}

func (s *story) diesOf(report crash.Report, inARow int, tried []string, quarantined, leftOut string) {
	s.t.Helper()
	f := s.Find(report, suspects(tried...))
	if s.Condemns(f, report.Ended) {
		s.quarantined[name(f.Image)] = true
	}
	s.Events = append(s.Events, generations.Event{Kind: generations.KindCrash, Time: report.Ended, From: f.Image, Detail: report.Reason()})
	if got := strings.Join(slices.Sorted(maps.Keys(s.LeftOut(inARow, report.Ended))), " "); got != leftOut {
		s.t.Errorf("after crash %d left out are %q, want %q", s.died, got, leftOut)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(s.quarantined)), " "); got != quarantined {
		s.t.Errorf("after crash %d in quarantine are %q, want %q", s.died, got, quarantined)
	}
}

// TestNobodyNamed lets workers die without a word: the image that came last is blamed, as long as it is in probation.
func TestNobodyNamed(t *testing.T) {
	s := newStory(t).publish("a1", "b1").pass().publish("a2", "b1").publish("a2", "b2")
	s.dies(1, nil, "b2", "")
	s.dies(2, nil, "a2 b2", "") // the second died before it could publish its fallback
	s.publish("a1", "b1").pass()
	s.dies(3, nil, "a2 b2", "") // the first with nobody to blame
}

// TestNobodyToBlame goes on dying with images that have proved themselves: each takes its turn at being left out.
func TestNobodyToBlame(t *testing.T) {
	s := newStory(t).publish("a1").publish("a1", "b1").publish("a1", "b1", "c1").pass()
	for i, leftOut := range []string{"", "", "c", "b", "a", "b c", "a b c", "a b c"} {
		s.dies(i+1, nil, "", leftOut)
	}
	s.dies(1, nil, "", "") // after a worker that has served for a long time

	s.gone["b"] = true
	s.dies(3, nil, "", "c") // and b has no turn
	s.dies(4, nil, "", "a")

	first := newStory(t).publish("a1")
	for i, leftOut := range []string{"", "", "a", "a"} {
		first.dies(i+1, nil, "", leftOut) // in probation, with nothing to go back to
	}
	empty := newStory(t)
	for i := range 4 {
		empty.dies(i+1, nil, "", "")
	}
}

// TestLongAgo has crashes in a row that are too far apart to be related.
func TestLongAgo(t *testing.T) {
	s := newStory(t).publish("a1").pass()
	for i, leftOut := range []string{"", "", "a"} {
		s.dies(i+1, nil, "", leftOut)
	}
	s.began = s.began.Add(relapse - 2*time.Second) // the first crash is too long ago by now, the others are not
	s.dies(4, nil, "", "a")
	s.began = s.began.Add(time.Hour)
	for i, leftOut := range []string{"", "", "a"} {
		s.dies(i+5, nil, "", leftOut)
	}
}

// TestKilled lets workers be killed from outside: that must go on for a long time until a plugin is suspected.
func TestKilled(t *testing.T) {
	s := newStory(t).publish("a1").pass()
	for i := range 12 {
		s.diesOf(crash.Report{Exit: crash.Killed, Ended: s.end()}, i+1, nil, "", map[bool]string{true: "a"}[i >= 10])
	}
}

// TestTried lets workers die while they try images.
func TestTried(t *testing.T) {
	deployed := newStory(t).publish("a1", "b1").pass().publish("a1", "b2")
	deployed.dies(1, []string{"a2", "b2"}, "a2", "") // the last one tried, and not b2, which is in probation
	deployed.dies(2, nil, "a2 b2", "")

	onlyOne := newStory(t).publish("a1").pass()
	onlyOne.dies(1, []string{"n1"}, "", "")
	onlyOne.dies(2, []string{"n1"}, "n1", "")
	delete(onlyOne.quarantined, "n1")
	onlyOne.Events = append(onlyOne.Events, generations.Event{Kind: generations.KindLift, From: image("n1"), Time: onlyOne.end()})
	onlyOne.dies(1, []string{"n1"}, "", "") // is started again
	onlyOne.dies(2, []string{"n1"}, "n1", "")

	booted := newStory(t).publish("a1", "b1").pass()
	booted.dies(1, []string{"b1"}, "", "")
	booted.dies(2, []string{"b1"}, "", "b") // has passed its probation, so it is left out and not condemned
	booted.dies(3, nil, "", "b")
	booted.quarantined["b1"] = true
	booted.dies(4, nil, "b1", "") // in quarantine it need not be left out, too
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
		tried    []string
		want     string // "" means nobody
		named    bool
		evidence string
	}{
		{"no stack, nothing tried", "", nil, "b2", false, "in probation"},
		{"no stack, two tried", "", []string{"c3", "a2"}, "c3", false, "being tried"},
		{"named", stack("runtime", "p/a2", "p/b2"), []string{"b2"}, "a2", true, "in p/a2.F (file.go:1)"},
		{"named, and only tried", stack("p/c3"), []string{"c3"}, "c3", true, "in p/c3.F"},
		{"named, of an earlier release", stack("p/a1"), nil, "a1", true, "in p/a1.F"},
		{"a package of two images", stack("p/a"), []string{"c3", "a3"}, "c3", false, "being tried"},
		{"nobody's package", stack("main"), nil, "b2", false, "in probation"},
	}
	for _, test := range tests {
		f := s.Find(crash.Report{Output: test.output}, suspects(test.tried...))
		if name(f.Image) != test.want || f.Named != test.named || !strings.Contains(f.Evidence, test.evidence) {
			t.Errorf("%s: found %s, named %v, %q", test.what, name(f.Image), f.Named, f.Evidence)
		}
	}
	if f := newStory(t).publish("a1").pass().Find(crash.Report{}, nil); f != (Finding{}) {
		t.Errorf("nobody is to blame, and found is %+v", f)
	}
	unread := newStory(t).publish("a?").pass()
	if f := unread.Find(crash.Report{Output: stack("p/a?")}, nil); f != (Finding{}) {
		t.Errorf("an image that can't be read is found: %+v", f)
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
