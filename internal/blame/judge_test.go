package blame

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/inflight"
)

// bench is a judge with a real store, whose images contain nothing but their names.
type bench struct {
	*Judge
	t       *testing.T
	log     strings.Builder
	current generations.Release
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := generations.OpenStore(t.TempDir(), generations.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &bench{t: t}
	b.Judge = &Judge{Store: store, Logger: slog.New(slog.NewTextHandler(&b.log, nil))}
	return b
}

func (b *bench) image(name string) generations.ID {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
		b.t.Fatal(err)
	}
	o, err := b.Store.Add(b.t.Context(), file)
	if err != nil {
		b.t.Fatal(err)
	}
	return o.ID
}

func (b *bench) publish(image string) {
	b.t.Helper()
	var err error
	b.current, err = b.Store.Publish(generations.Manifest{Plugins: map[string]generations.Entry{"a": {Image: b.image(image)}}})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) confirm() {
	b.t.Helper()
	if err := b.Store.Confirm(b.current.Number); err != nil {
		b.t.Fatal(err)
	}
}

// record reads the record again, as each boot does.
func (b *bench) record() *Record { return b.Record(b.current, func(string) bool { return true }) }

func (b *bench) events(kind generations.Kind) (found []generations.Event) {
	b.t.Helper()
	events, err := b.Store.History(100)
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(events, func(e generations.Event) bool { return e.Kind != kind })
}

func report(n int, running ...Suspect) crash.Report {
	c := new(inflight.Snapshot)
	for _, s := range running {
		c.Images = append(c.Images, inflight.Image{Plugin: s.Plugin, Image: s.Image, Calls: 2})
	}
	return crash.Report{Exit: "exit status 3", Output: "words", Calls: c, Ended: time.Now().Add(time.Duration(n)*time.Second - time.Minute).UTC().Round(0)}
}

// TestJudge quarantines the image in a call, with everything that is known, and records the crash.
func TestJudge(t *testing.T) {
	b := newBench(t)
	b.publish("a1")
	b.confirm()
	b.publish("a2")
	r := report(1, Suspect{"a", b.image("a2")})
	if out := b.Judge.Judge(b.record(), []crash.Report{r}, 1, nil); len(out) != 0 {
		t.Errorf("left out are %v", out)
	}
	a2 := b.image("a2")
	q, is, err := b.Store.Quarantined(a2)
	if !is || err != nil || q.Plugin != "a" || q.Evidence != "strong" || q.Next.Sub(r.Ended) != time.Minute || q.Release != 2 || q.Detail != "words" || !q.Time.Equal(r.Ended) ||
		!strings.Contains(q.Reason, "exit status 3, while no other image was in a call (2 calls)") {
		t.Errorf("the record of quarantine is %+v, %v, %v", q, is, err)
	}
	err = b.Quarantined(a2)
	if !errors.Is(err, ErrQuarantined) || !strings.Contains(err.Error(), "sohost quarantine --lift "+a2.Short()) {
		t.Errorf("Quarantined is %v", err)
	}
	if err := b.Quarantined(b.image("a1")); err != nil {
		t.Errorf("Quarantined of another is %v", err)
	}
	c := b.events(generations.KindCrash)
	if len(c) != 1 || c[0].From != a2 || c[0].Plugin != "a" || c[0].Release != 2 || !c[0].Time.Equal(r.Ended) ||
		c[0].Detail != "exit status 3, while no other image was in a call (2 calls)" || c[0].Evidence != "strong" {
		t.Errorf("the crashes in the history are %+v", c)
	}
	if !strings.Contains(b.log.String(), "msg=quarantine") || strings.Contains(b.log.String(), "another chance") {
		t.Errorf("the log has %s", &b.log)
	}
}

// TestJudgedOnce shows a crash to a second worker, because the first died before it served.
func TestJudgedOnce(t *testing.T) {
	b := newBench(t)
	b.publish("a1")
	b.confirm()
	tried := []Suspect{{"a", b.image("a1")}}
	reports := []crash.Report{report(1, tried...)}
	b.Judge.Judge(b.record(), reports, 1, tried)
	if !strings.Contains(b.log.String(), "another chance") {
		t.Errorf("the log has %s", &b.log)
	}
	b.Judge.Judge(b.record(), reports, 1, tried)
	if n := len(b.events(generations.KindCrash)); n != 1 {
		t.Errorf("the history has %d crashes, want 1", n)
	}
	if b.Quarantined(b.image("a1")) != nil {
		t.Error("one crash counts twice")
	}
	// Two reports in one boot count as two crashes, of an image that has no other to go back to and isn't confirmed.
	only := newBench(t)
	only.publish("a1")
	only.Judge.Judge(only.record(), []crash.Report{report(1, tried...), report(2, tried...)}, 2, nil)
	if only.Quarantined(only.image("a1")) == nil {
		t.Error("two crashes count once")
	}
}

// TestNobody records a crash that nobody is to blame for, and says nothing about images.
func TestNobody(t *testing.T) {
	b := newBench(t)
	b.publish("a1")
	b.confirm()
	out := b.Judge.Judge(b.record(), []crash.Report{report(1), report(2), report(3)}, 3, nil)
	if !out["a"] || len(out) != 1 {
		t.Errorf("left out are %v", out)
	}
	if c := b.events(generations.KindCrash); len(c) != 3 || !c[0].From.IsZero() || b.log.Len() > 0 {
		t.Errorf("the crashes are %+v; the log has %s", c, &b.log)
	}
	if out := b.Judge.Judge(b.record(), nil, 0, nil); len(out) != 0 {
		t.Errorf("with no crash left out are %v", out)
	}
}

// TestNoQuarantine can't write any quarantine: what should be in it is left out, this time. And a quarantine that can't
// be read is treated as empty.
func TestNoQuarantine(t *testing.T) {
	b := newBench(t)
	b.publish("a1")
	b.confirm()
	b.publish("a2")
	if err := os.WriteFile(filepath.Join(b.Store.Dir(), "quarantine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	reports := []crash.Report{report(1, Suspect{"a", b.image("a2")})}
	if out := b.Judge.Judge(b.record(), reports, 1, nil); !out["a"] || len(out) != 1 {
		t.Errorf("left out are %v", out)
	}
	if err := b.Quarantined(b.image("a2")); err != nil {
		t.Errorf("Quarantined is %v", err)
	}
	if n := strings.Count(b.log.String(), "put image into quarantine"); n != 1 {
		t.Errorf("the log has %s", &b.log)
	}
}

// TestRecord reads what a store has, and does without what can't be read.
func TestRecord(t *testing.T) {
	b := newBench(t)
	if r := b.record(); r.Confirmed.Number != 0 || len(r.Events) != 0 {
		t.Errorf("of an empty store: %+v", r)
	}
	b.publish("a1")
	b.publish("a2")
	b.confirm()
	a1 := b.image("a1")
	if err := b.Store.Quarantine(generations.Quarantine{Image: a1}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.LiftQuarantine(a1.String()); err != nil {
		t.Fatal(err)
	}
	if err := b.Store.AppendEvent(generations.Event{Kind: generations.KindDeploy}); err != nil {
		t.Fatal(err)
	}
	r := b.record()
	if r.Confirmed.Number != 2 || len(r.Events) != 1 || r.Events[0].Kind != generations.KindLift || r.Quarantined(a1) {
		t.Errorf("the record is %+v", r)
	}
	if p, ok := r.Previous(b.current); !ok || p.Number != 1 {
		t.Errorf("before release 2 is %d, %v", p.Number, ok)
	}
	if _, ok := r.Previous(generations.Release{}); ok {
		t.Error("there is a release before the first")
	}
	if _, ok := r.Previous(generations.Release{Manifest: generations.Manifest{Previous: 7}}); ok {
		t.Error("a release that isn't there is one before another")
	}
	for _, id := range []generations.ID{a1, {}} { // not an image, and not in the store
		if _, ok := r.OwnPackages(id); ok {
			t.Errorf("%s brings packages", id.Short())
		}
	}
}

// TestBringsImage reads a real image, though not a plugin: this test program, whose packages are all its own.
func TestBringsImage(t *testing.T) {
	b := newBench(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := b.Store.Add(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	if packages, ok := b.record().OwnPackages(o.ID); !ok || len(packages) != 0 {
		t.Errorf("this program brings %v to itself (%v)", packages, ok)
	}
}
