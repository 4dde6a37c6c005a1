package sohost

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/internal/routes"
)

// Plugin configures one plugin.
type Plugin struct {
	// Name identifies the plugin in the store, in Status and in Call. It consists of letters, digits, '.', '-' and '_',
	// and begins with a letter or digit.
	Name string

	// Image is the path of the plugin's .so file. A relative path is relative to the working directory.
	Image string

	// Mode is Dev or Prod. Default: Prod.
	Mode Mode

	// Routes lists the URL path prefixes whose requests the plugin serves. Each begins with "/" and covers itself and
	// everything below it, by whole path segments. If several cover a path, the longest wins. Default: none; the plugin
	// is reached through Call alone.
	Routes []string

	// Probe is Walled or Unwalled. Default: Walled.
	Probe ProbeMode

	// API is the plugin API that images must be of: sohost, or one that docs/existing-plugins.md lists. Any other image is refused.
	// Default: whichever the image is of.
	API string

	// Args is what the plugin gets from abi.Host.Args. Default: empty.
	Args map[string]string

	// Values holds more arguments, which are no texts: numbers, booleans, lists and maps. abi.Host.Args has them as JSON, and plugins
	// of other APIs get them as they are. A key of Args can't be one of Values. Default: empty.
	Values map[string]any

	// CutAfter is how long requests may hold up a reload or a handover that waits for them, because the plugin has state or is exclusive.
	// After that the contexts of those that still run end, with ErrCutOff as the cause, and connections that their handlers have taken
	// over are closed; a handler that heeds neither goes on. Default: requests are never cut off. What waits for them gives up after
	// Options.DrainTimeout, which should be longer.
	CutAfter time.Duration

	// Triggers lists when the plugin is called besides requests for its Routes: at set times, with rows that are written, and with
	// requests for paths of their own. Others can be added by Host.AddTrigger. Default: none.
	Triggers []Trigger
}

// Mode determines when a change of a plugin's file is loaded.
type Mode string

const (
	// Dev loads a changed file as soon as it is quiet, see Options.Settle.
	Dev Mode = "dev"
	// Prod loads a changed file only on Deploy.
	Prod Mode = "prod"
)

// ProbeMode determines what an image's init functions may do while it is opened in a child process first.
type ProbeMode string

const (
	// Walled lets them read files and write temporary ones: no network, no processes, no other writes; and it limits
	// memory and open files. Status.Probe says what enforces that.
	Walled ProbeMode = "walled"
	// Unwalled lets them do what this process may do. It is for plugins that can't be opened otherwise, and are trusted.
	Unwalled ProbeMode = "unwalled"
)

// resolve checks the plugin's options and fills in the defaults. Its error lists everything that is wrong.
func (p Plugin) resolve() (Plugin, error) {
	var errs []error
	if !generations.ValidName(p.Name) {
		errs = append(errs, fmt.Errorf("%w: want letters, digits, '.', '-' and '_', beginning with a letter or digit",
			generations.ErrName))
	}
	if p.Image == "" {
		errs = append(errs, errors.New("no image: name the .so"))
	} else {
		abs, err := filepath.Abs(p.Image)
		errs = append(errs, err)
		p.Image = abs
	}
	switch p.Mode {
	case "":
		p.Mode = Prod
	case Dev, Prod:
	default:
		errs = append(errs, fmt.Errorf("mode %q: want %q or %q", p.Mode, Dev, Prod))
	}
	switch p.Probe {
	case "":
		p.Probe = Walled
	case Walled, Unwalled:
	default:
		errs = append(errs, fmt.Errorf("probe %q: want %q or %q", p.Probe, Walled, Unwalled))
	}
	if p.CutAfter < 0 {
		errs = append(errs, fmt.Errorf("CutAfter is negative: leave it 0, and requests are never cut off"))
	}
	served := make([]string, 0, len(p.Routes))
	for _, r := range p.Routes {
		clean, err := routes.Clean(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("route: %w", err))
		}
		served = append(served, clean)
	}
	p.Routes = served
	if p.API != "" {
		errs = append(errs, adapters.Valid(p.API))
	}
	for key, v := range p.Values {
		if err := adapter.CheckValue(v); err != nil {
			errs = append(errs, fmt.Errorf("argument %s: %w", key, err))
		}
		if _, twice := p.Args[key]; twice {
			errs = append(errs, fmt.Errorf("argument %s is given twice", key))
		}
	}
	p.Triggers, errs = resolveTriggers(p.Triggers, errs)
	if err := errors.Join(errs...); err != nil {
		return p, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	return p, nil
}
