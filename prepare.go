package sohost

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/state"
	"github.com/sohost/sohost/native"
)

// target is one plugin's part in a reload that was asked for: an image in a file, or one in the store.
type target struct {
	plugin   *plugin
	file     string         // where the image comes from; only for reports if stored is set
	stored   generations.ID // set if the image is in the store already
	onChange bool           // asked for only by a change event of the file
	first    bool           // by the first one of a watch, so the file need not have changed at all
	retry    generations.ID // the image that is loaded even if it is in quarantine; zero if none is
	rollback bool           // the image in the plugin's own file is skipped from now on

	loseState bool // the order says that state may be lost
	back      bool // what moves since the image served have lost is to be restored, as with rollback

	// skipped is what loaded.skipped becomes. It is used only for stored images that are not a rollback's; for all
	// others, skips determines it.
	skipped generations.ID

	lane        *lane            // where its image waits for its turn to be opened; nil: it has it
	trace       string           // of the order; see generations.Event
	before      Phases           // what ready has done for it; nil: nothing
	known       []generations.ID // images that were refused a moment ago
	unpublished bool             // the release goes on naming another image, which the next boot tries again

	// trusted images need no probe and no trial, because this process is itself a throwaway: a taker before its
	// handover's commit.
	trusted bool
}

// candidate is an image on its way to becoming a plugin's current generation.
type candidate struct {
	target
	old    *gated
	move   Move           // the final report; move.To is the image's ID
	pinned generations.ID // pinned in the ledger; zero if the image never came into the store
	next   *loaded        // nil until New has returned

	kept       *kept                // the old generation's state, if a rollback may need it
	keepsLast  bool                 // the last checkpoint is kept for a rollback: the candidate didn't take all of it
	read       map[*kept]state.Part // kept states that were read before any gate was shut
	unrestored []string             // kept states that could not be used, each with the reason
	undrained  error                // why the calls of a generation whose state is dropped have not ended
	fileGone   bool                 // a change event found no file
	settled    func() error         // waits until the image is durable in the store; nil if it is
	restoredAt checkpoint.Positions // up to where writes are in the checkpoint that was restored
	told       Phase                // the last phase that tellPhase has told of; empty once a refusal was told of
}

// newCandidate returns the candidate of a target. The caller owns the plugin, so what it serves stays the same.
func newCandidate(t target) *candidate {
	phases := Phases{}
	maps.Copy(phases, t.before)
	return &candidate{target: t, old: newGated(t.plugin), move: Move{
		Plugin: t.plugin.Name, From: t.plugin.servingID(), State: StateMove{Way: WayNone}, Phases: phases, Time: time.Now(),
	}}
}

func (c *candidate) suspect() blame.Suspect {
	return blame.Suspect{Plugin: c.plugin.Name, Image: c.move.To}
}

// step runs a phase and adds its duration to the candidate's. An error becomes a failure of that phase.
func (c *candidate) step(phase Phase, do func() error) error {
	c.tellPhase(phase)
	if err := c.move.Phases.timed(phase, do); err != nil {
		return &failure{candidate: c, phase: phase, err: err}
	}
	return nil
}

// prepare takes a candidate as far as an instance that no caller sees yet. If its image serves already, or is one that
// a change event must not load, prepare marks it Unchanged and does nothing. The error is a *failure, or the plugin's
// newest *Refusal if a change event brought the same image again.
func (c *candidate) prepare(ctx context.Context) error {
	err := c.prepareSettling(ctx)
	if settleErr := c.settle(); err == nil { // of all other reasons the first counts
		err = settleErr
	}
	return err
}

// prepareSettling is prepare for an image that may not be durable yet.
func (c *candidate) prepareSettling(ctx context.Context) error {
	var path string
	err := c.step(PhaseStore, func() (err error) {
		path, err = c.store(ctx)
		return err
	})
	if c.onChange && errors.Is(err, fs.ErrNotExist) { // gone since the event: if it comes back there will be another
		c.fileGone, c.move.Unchanged, c.move.To = true, true, c.move.From
		return nil
	}
	if err != nil {
		return c.judgedByHead(err)
	}
	if c.move.Unchanged = c.move.To == c.move.From; c.move.Unchanged {
		return nil
	}
	if r := c.plugin.refusal(); r != nil && c.refusedAlready(r) {
		return r
	}
	h := c.plugin.host
	if c.onChange && c.old.serves != nil && c.move.To == c.old.serves.Value().skipped {
		h.log.Info("ignored: a rollback or a deploy has replaced this image since; `sohost deploy` loads it all the same",
			"plugin", c.plugin.Name, "image", c.move.To.Short())
		c.move.Unchanged, c.move.To = true, c.move.From
		return nil
	}
	if !h.loader.IsOpen(path) { // an image that is open, or being opened, has passed check and probe before
		if err := c.judge(ctx, path); err != nil {
			return err
		}
	}
	if err := c.settle(); err != nil {
		return err
	}
	if !c.trusted {
		h.trials.Begin(c.suspect(), blame.InProcess)
	}
	return c.open(ctx, path)
}

// refusedAlready reports whether the image was refused before, and nothing is to be gained by another try: a check would only find the
// same facts again, and what happens when the plugin's code runs was found out just now.
func (c *candidate) refusedAlready(r *Refusal) bool {
	return slices.Contains(c.known, c.move.To) || c.onChange && r.Image == c.move.To && (r.Phase == PhaseCheck || c.first)
}

// settles reports whether the plugin's newest refusal is history now that the candidate serves, or that nothing was to be done for it.
// A change event that brought nothing is no success: what was refused is still what the plugin ought to have, if its file is gone, or if
// the current release names the refused image, which is to be tried again.
func (c *candidate) settles() bool {
	if !c.move.Unchanged || !c.onChange {
		return true
	}
	r := c.plugin.refusal()
	return r == nil || !c.fileGone && (r.Image.IsZero() || r.Image != c.plugin.host.ledger.Current().Plugins[c.plugin.Name].Image)
}

// open opens the image and creates an instance of it.
func (c *candidate) open(ctx context.Context, path string) error {
	h := c.plugin.host
	leave, err := c.lane.enter(ctx, c.plugin, c.move.Phases[PhaseProbe] >= slowProbe)
	if err != nil {
		return &failure{candidate: c, phase: PhaseOpen, err: err}
	}
	left := sync.OnceFunc(leave)
	defer left()
	limited, cancel := h.limit(ctx, h.opts.OpenTimeout, openTimeout)
	defer cancel()
	row := h.calls.Claim(c.plugin.Name, c.move.To)
	settings := c.watchSettings()
	defer settings.end() // on an error it ends before another image may be opened
	var image *instance.Image
	err = c.step(PhaseOpen, func() (err error) {
		defer row.Enter(inflight.Open)()
		image, err = h.loader.Open(limited, path)
		return err
	})
	if err != nil {
		row.SetBackground(errors.Is(err, native.ErrPending)) // its init goes on
		if !errors.Is(err, native.ErrPending) {
			row.Release()
		}
		return handoverFor(err, !momentary(ctx, err)) // it opened in the probe, where nothing else was open
	}
	settings.turn()
	left()
	if err := c.step(PhaseNew, func() error { return errors.Join(c.plugin.checkAPI(image), c.plugin.checkArgs(image)) }); err != nil {
		row.Release()
		return err
	}
	label := c.move.To.Short()
	next := &loaded{
		id: c.move.To, label: label, header: []string{label}, line: GenerationHeader + ": " + label + "\r\n",
		since: c.move.Time, skipped: c.skips(),
	}
	err = c.step(PhaseNew, func() (err error) {
		required := c.plugin.required()
		next.Instance, err = instance.New(limited, image, newPluginHost(c.plugin, c.move.To), required, row, c.closeLate)
		err = c.explainInUse(err)
		if err == nil {
			err = c.plugin.canServeTriggers(next.Instance)
		}
		if err == nil {
			next.chained, err = c.plugin.wrap(limited, next.Instance)
		}
		return err
	})
	if next.Instance != nil { // even after an error: abandon closes it
		c.next = next
	} else {
		row.Release()
	}
	var panicked *PanicError
	return handoverFor(err, c.old.serves != nil && errors.As(err, &panicked) && panicked.InRegistry(image))
}

// skips returns the image in the plugin's own file, if that is known and differs from the candidate's.
func (c *candidate) skips() generations.ID {
	inFile := c.plugin.fileImage
	switch {
	case c.rollback && inFile.IsZero():
		inFile = c.move.From
	case c.rollback:
	case !c.stored.IsZero():
		return c.skipped
	}
	if inFile == c.move.To {
		return generations.ID{}
	}
	return inFile
}

// closeLate closes an instance that New returned after the host had stopped waiting for it.
func (c *candidate) closeLate(in *instance.Instance) {
	h := c.plugin.host
	err := h.end(context.Background(), in)
	h.log.Warn("New returned too late: its instance was closed", "plugin", c.plugin.Name, "generation", c.move.To.Short(), "err", err)
}
