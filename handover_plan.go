package sohost

import (
	"context"
	"slices"

	"github.com/sohost/sohost/generations"
)

// plan is what the taker is to serve.
type plan struct {
	Why     string                       `json:"why"`
	Plugins []planned                    `json:"plugins"`
	Entries map[string]generations.Entry `json:"entries"` // of the release that is current
}

// planned is one plugin's part in a plan.
type planned struct {
	Plugin  Plugin            `json:"plugin"`
	Held    generations.ID    `json:"held,omitzero"`   // by its file
	Serves  generations.ID    `json:"serves,omitzero"` // what the giver serves
	Brings  generations.Entry `json:"brings"`          // what the taker is to serve; the zero image: nothing
	Cause   string            `json:"cause,omitempty"` // why that is another
	Back    int               `json:"back,omitempty"`  // the release that it goes back to
	Kind    generations.Kind  `json:"kind,omitempty"`
	Last    *Move             `json:"last,omitempty"`
	Refused *Refusal          `json:"refused,omitempty"`
}

// plan says what the taker is to serve: what this host serves, but for the images that the handover is to bring.
func (g *giving) plan(ctx context.Context) (*plan, error) {
	h := g.host
	h.publishMu.Lock()
	result := &plan{Why: g.opts.Why, Entries: h.entries}
	for _, p := range g.plugins {
		entry := h.entries[p.name]
		entry.Image = p.currentID()
		if g := p.current(); g != nil {
			entry.Skipped = g.Value().passedOver
		}
		p.mu.Lock()
		result.Plugins = append(result.Plugins, planned{
			Plugin: p.Plugin, Held: p.held, Serves: entry.Image, Brings: entry, Last: p.last, Refused: p.refused,
		})
		p.mu.Unlock()
	}
	h.publishMu.Unlock()
	for _, e := range g.errands {
		for _, c := range e.candidates {
			result.bring(c, e.why)
		}
	}
	if err := g.bringImages(ctx, result); err != nil {
		return nil, err
	}
	return result, g.suit(ctx, result)
}

// bring puts a candidate's image into the plan.
func (p *plan) bring(c *candidate, why cause) {
	i := slices.IndexFunc(p.Plugins, func(pp planned) bool { return pp.Plugin.Name == c.plugin.name })
	pp := &p.Plugins[i]
	pp.Brings = generations.Entry{Image: c.id, Source: c.file, Skipped: c.passesOver()}
	pp.Cause, pp.Kind, pp.Back, pp.Refused = why.by, why.kind, why.rollbackOf, nil
}

// bringImages puts the images of the options into the plan.
func (g *giving) bringImages(ctx context.Context, p *plan) error {
	for name, file := range g.opts.Images {
		owner, err := g.host.plugin(name)
		if err != nil {
			return err
		}
		if file == "" {
			file = owner.Image
		}
		if err := g.bringFile(ctx, p, owner, file); err != nil {
			return err
		}
	}
	return nil
}

// bringFile stores an image and puts it into the plan.
func (g *giving) bringFile(ctx context.Context, p *plan, owner *plugin, file string) error {
	c := newCandidate(target{plugin: owner, file: file})
	c.phase = "store"
	g.extra = append(g.extra, c)
	if _, err := g.host.storeImage(ctx, c); err != nil {
		return newRefusal(c, err)
	}
	p.bring(c, cause{kind: generations.KindDeploy, by: g.opts.Why})
	return nil
}
