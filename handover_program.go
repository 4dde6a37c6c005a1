package sohost

import (
	"context"
	"errors"
	"fmt"

	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// fitProgram makes every image of the plan fit the program that the taker runs. A plugin whose image doesn't fit gets
// its configured file instead, which may have been rebuilt for that program. The error has every reason of every
// plugin.
func (g *giver) fitProgram(ctx context.Context, p *plan) error {
	if g.opts.Program == "" {
		return nil
	}
	process, err := native.ProcessOf(g.opts.Program)
	if err != nil {
		return fmt.Errorf("program %s: %w", g.opts.Program, err)
	}
	var errs []error
	for i := range p.Plugins {
		next, err := g.fitPlugin(ctx, p, process, &p.Plugins[i])
		if errors.Is(err, native.HostCannotLoad) {
			return fmt.Errorf("program %s: it can't load plugins; name a sohost that was built with cgo", g.opts.Program)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		process = next
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w\nbuild the plugins for that program with `sohost build --host %s`, and name their images",
			err, g.opts.Program)
	}
	return nil
}

// fitPlugin makes one plugin's image fit, and returns the process as it will be with that image loaded. Images are
// checked one after the other because each must fit the ones before it, too.
func (g *giver) fitPlugin(ctx context.Context, p *plan, process *native.Process, e *planEntry) (*native.Process, error) {
	next, err := g.fits(process, e)
	if err == nil || errors.Is(err, native.HostCannotLoad) || e.Cause != "" { // with a cause, someone has asked for this very image
		return next, err
	}
	owner, unknown := g.host.plugin(e.Plugin.Name)
	if unknown != nil {
		return nil, unknown
	}
	before := *e
	fileErr := g.addImage(ctx, p, owner, owner.Image)
	if fileErr == nil {
		next, fileErr = g.fits(process, e)
	}
	switch {
	case fileErr == nil:
		return next, nil
	case before.Next.Image == e.Next.Image: // the file has the same image: one reason is enough
		return nil, err
	case before.Next.Image.IsZero(): // nothing serves here, and nothing need serve there
		*e = before
		return process, nil
	}
	return nil, errors.Join(err, fileErr)
}

// fits returns the process as it will be with the plugin's next image loaded, or why that image doesn't fit.
func (g *giver) fits(process *native.Process, e *planEntry) (*native.Process, error) {
	if e.Next.Image.IsZero() {
		return nil, e.refusal(errors.New("nothing serves"))
	}
	object, err := g.host.store.Object(e.Next.Image)
	if err != nil {
		return nil, e.refusal(err)
	}
	info, err := instance.CheckFor(object.Path, e.Plugin.API, process)
	if err != nil {
		return nil, e.refusal(err)
	}
	return process.With(object.Path, info), nil
}
