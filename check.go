package sohost

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// judge refuses an image that this process hasn't opened, either for what can be read from the file (PhaseCheck) or for
// what happens when a child process opens it (PhaseProbe).
func (c *candidate) judge(ctx context.Context, path string) error {
	h := c.plugin.host
	rejected := c.step(PhaseCheck, func() error {
		if err := h.judge.Quarantined(c.move.To); err != nil && c.move.To != c.retry {
			return err
		}
		return h.loader.Check(path, c.plugin.API)
	})
	var rejection *native.Rejection
	needsHandover := errors.As(rejected, &rejection) && rejection.NeedsNewProcess()
	if rejected != nil && !needsHandover || c.trusted || h.readied.isRehearsed(c.move.To) {
		return handoverFor(rejected, needsHandover)
	}
	// An image that needs a new process is probed as well: the handover is not the time to find out that it crashes.
	h.trials.Begin(c.suspect(), blame.InProbe)
	err := c.step(PhaseProbe, func() error {
		o := h.probeOptions(c.plugin.Probe == Unwalled)
		o.Judged = !needsHandover
		if !needsHandover && !native.IsSealed(path) { // nothing shows that it is what was built
			o.Beside = h.served()
		}
		probed, err := h.loader.Probe(ctx, o, path)
		c.move.Tried = probed.Tried
		return err
	})
	if err != nil {
		return err
	}
	return handoverFor(rejected, needsHandover)
}

// checkAPI returns an error unless an opened image is of the API that the plugin is configured for. An image that another plugin has had
// opened isn't checked again.
func (p *plugin) checkAPI(image *instance.Image) error {
	if p.API == "" || image.API() == p.API {
		return nil
	}
	return fmt.Errorf("%w: the image is of the API %s, and plugin %s is configured for api = %q", adapters.ErrAPI, image.API(), p.Name, p.API)
}

// probeOptions returns how images are probed.
func (h *Host) probeOptions(unwalled bool) instance.ProbeOptions {
	return instance.ProbeOptions{Limit: h.opts.OpenTimeout, Unwalled: unwalled}
}

// served returns the paths of the images that serve.
func (h *Host) served() (paths []string) {
	for _, p := range h.plugins() {
		if g := p.serving(); g != nil && !slices.Contains(paths, g.Value().Image().Path()) {
			paths = append(paths, g.Value().Image().Path())
		}
	}
	return paths
}

// handoverFor sets on a failure whether a handover may help.
func handoverFor(err error, needsHandover bool) error {
	if f, ok := err.(*failure); ok {
		f.needsHandover = needsHandover
	}
	return err
}
