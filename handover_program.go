package sohost

import (
	"context"
	"errors"
	"fmt"

	"github.com/sohost/sohost/native"
)

// suit sees to it that every image of the plan fits the program that the taker runs. A plugin whose image doesn't gets its
// configured file, which was perhaps built anew for that program. The error has all reasons of all plugins.
func (g *giving) suit(ctx context.Context, p *plan) error {
	if g.opts.Program == "" {
		return nil
	}
	process, err := native.ProcessOf(g.opts.Program)
	if err != nil {
		return fmt.Errorf("program %s: %w", g.opts.Program, err)
	}
	var errs []error
	for i := range p.Plugins {
		pp := &p.Plugins[i]
		owner, err := g.host.plugin(pp.Plugin.Name)
		if err != nil {
			return err
		}
		next, judged := g.judge(process, owner, pp)
		if errors.Is(judged, native.HostCannotLoad) {
			return fmt.Errorf("program %s: it can't load plugins; name a sohost that was built with cgo", g.opts.Program)
		}
		if judged != nil && pp.Cause == "" { // nobody named another image
			before := *pp
			brought := g.bringFile(ctx, p, owner, owner.Image)
			if brought == nil {
				next, brought = g.judge(process, owner, pp)
			}
			switch {
			case brought == nil:
				judged = nil
			case before.Brings.Image == pp.Brings.Image: // the same again: one reason is enough
			case before.Brings.Image.IsZero(): // nothing served, and nothing will
				*pp, judged = before, nil
			default:
				judged = errors.Join(judged, brought)
			}
		}
		if judged != nil {
			errs = append(errs, judged)
			continue
		}
		process = next
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w\nbuild the plugins for that program with `sohost build --host %s`, and name their images", err, g.opts.Program)
	}
	return nil
}

// judge says whether a plugin's image fits a process of the program, and what the process is like with it.
func (g *giving) judge(process *native.Process, owner *plugin, pp *planned) (*native.Process, error) {
	c := newCandidate(target{plugin: owner, file: pp.Brings.Source, stored: pp.Brings.Image})
	c.id, c.phase = pp.Brings.Image, "check"
	if c.id.IsZero() {
		return process, newRefusal(c, errors.New("nothing serves"))
	}
	object, err := g.host.store.Object(c.id)
	if err != nil {
		return process, newRefusal(c, err)
	}
	info, err := native.InspectFile(object.Path)
	if err == nil {
		err = native.Check(info, process, Requirements())
	}
	if err != nil {
		return process, newRefusal(c, err)
	}
	return process.With(object.Path, info), nil
}
