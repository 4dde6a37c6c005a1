package sohost

import (
	"context"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/triggers"
)

// planFormat is the form of a plan and of the messages that follow. A taker refuses any other: a plan that it understands
// only in part would end with a commit of plugins that serve nothing.
const planFormat = 2

// plan says what the taker is to serve.
type plan struct {
	Format  int                          `json:"format"`
	Why     string                       `json:"why"`
	Plugins []planEntry                  `json:"plugins"`
	Entries map[string]generations.Entry `json:"entries"` // what the next release says so far, see ledger.Entries

	Triggers triggers.Saved `json:"triggers"` // as they were when the plan was made
}

// planEntry is one plugin's part in a plan.
type planEntry struct {
	Plugin     Plugin            `json:"plugin"`
	FileImage  generations.ID    `json:"file_image,omitzero"`
	FileSeen   string            `json:"file_seen,omitempty"`  // what the taker need not read again unless it has changed
	Serves     generations.ID    `json:"serves,omitzero"`      // what the giver serves; zero: nothing
	Stateful   bool              `json:"stateful,omitempty"`   // that has state
	StateType  []byte            `json:"state_type,omitempty"` // of that state, see state.Describe; nil if it isn't known
	Next       generations.Entry `json:"next"`                 // what the taker is to serve; nothing if its image is zero
	Cause      string            `json:"cause,omitempty"`      // why Next is another image; empty if it is the same
	RollbackOf int               `json:"rollback_of,omitempty"`
	Kind       generations.Kind  `json:"kind,omitempty"`
	Last       *Move             `json:"last,omitempty"`
	Refused    *Refusal          `json:"refused,omitempty"`
	LoseState  bool              `json:"lose_state,omitempty"` // the order says that Next may lose state
}

// plan returns what the taker is to serve: what this host serves, except for the images that the handover changes. All
// plugins are owned, so what they serve can't change while the plan is made.
func (g *giver) plan(ctx context.Context) (*plan, error) {
	g.noteSeen()
	entries := g.host.ledger.Entries()
	if g.config != nil {
		for _, name := range g.opts.Config.Forget {
			delete(entries, name)
		}
	}
	result := &plan{Format: planFormat, Why: g.opts.Why, Entries: entries, Triggers: g.host.triggers.Save()}
	for _, p := range g.plugins {
		if !g.stays(p) {
			continue
		}
		e := planEntry{Plugin: g.configured(p), FileImage: p.fileImage, FileSeen: p.fileSeen, Serves: p.servingID(), Next: entries[p.Name]}
		if e.Plugin.Image != p.Image {
			e.FileImage, e.FileSeen = generations.ID{}, ""
		}
		e.Next.Image = e.Serves
		if serves := p.serving(); serves != nil {
			e.Next.Skipped, e.Stateful = serves.Value().skipped, serves.Value().Stateful()
			e.StateType = serves.Value().DescribeState()
		}
		p.mu.Lock()
		e.Last, e.Refused = p.last, p.refused
		p.mu.Unlock()
		result.Plugins = append(result.Plugins, e)
	}
	for _, r := range g.pending {
		for _, c := range r.candidates {
			result.set(c, r.cause)
		}
	}
	for name, file := range g.opts.Images {
		p, err := g.host.plugin(name)
		if err != nil {
			return nil, err
		}
		if file == "" {
			file = g.configured(p).Image
		}
		if err := g.addImage(ctx, result, p, file); err != nil {
			return nil, err
		}
	}
	if err := g.addPlugins(ctx, result); err != nil {
		return nil, err
	}
	return result, g.fitProgram(ctx, result)
}

// set makes a candidate's image the plugin's next one.
func (p *plan) set(c *candidate, why cause) {
	i := slices.IndexFunc(p.Plugins, func(e planEntry) bool { return e.Plugin.Name == c.plugin.Name })
	e := &p.Plugins[i]
	e.Next = generations.Entry{Image: c.move.To, Source: c.file, Skipped: c.skips()}
	e.Cause, e.Kind, e.RollbackOf, e.Refused, e.LoseState = why.by, why.kind, why.rollbackOf, nil, c.loseState
}

// addImage stores an image and makes it the plugin's next one.
func (g *giver) addImage(ctx context.Context, result *plan, p *plugin, file string) error {
	c := newCandidate(target{plugin: p, file: file, loseState: g.opts.LoseState})
	g.extra.candidates = append(g.extra.candidates, c)
	if _, err := c.store(ctx); err != nil {
		return (&failure{candidate: c, phase: PhaseStore, err: err}).refusal()
	}
	result.set(c, cause{kind: generations.KindDeploy, by: g.opts.Why})
	return nil
}

// refusal returns a Refusal of the plugin's next image, with err as the reason.
func (e *planEntry) refusal(err error) *Refusal {
	return Refusal{
		Plugin: e.Plugin.Name, Source: e.Next.Source, Image: e.Next.Image, Serves: e.Serves, Time: time.Now(),
	}.because(PhaseCheck, err)
}
