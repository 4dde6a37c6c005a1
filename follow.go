package sohost

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
	"github.com/sohost/sohost/native"
)

// wake signals one goroutine that something may have changed. Signals merge: one that is still pending covers later
// changes too.
type wake chan struct{}

func newWake() wake { return make(wake, 1) }

// up sends the signal. It never blocks.
func (w wake) up() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// unfinished is how long a truncated or damaged image may stay unchanged before it is treated as broken rather than half written.
const unfinished = time.Second

// watch reloads the plugin whenever its image changes.
func (p *plugin) watch() {
	h := p.host
	target, err := h.watcher.File(p.Image, func(watch.Event) { p.changed.up() })
	if err != nil {
		h.log.Error("watch image", "plugin", p.Name, "image", p.Image, "err", err)
		return
	}
	p.mu.Lock()
	p.watched = target
	p.mu.Unlock()
	p.changed.up() // it may have changed before the watch began
	h.tasks.Go(p.follow)
}

// follow reloads the plugin whenever its image has changed, until the host's lifetime ends. Each plugin in Dev mode has
// one goroutine for it.
func (p *plugin) follow() {
	for {
		select {
		case <-p.changed:
		case <-p.host.lifetime.Done():
			return
		}
		for p.reloadChanged() {
			select { // it is being written to
			case <-p.changed:
			case <-time.After(p.host.opts.Settle):
			case <-p.host.lifetime.Done():
				return
			}
		}
	}
}

// reloadChanged loads the plugin's image as it is now. It reports whether to try again because the image was still
// being written.
func (p *plugin) reloadChanged() (again bool) {
	h := p.host
	for truncated(p.Image) {
		select {
		case <-p.changed: // more came
			continue
		case <-time.After(unfinished):
		case <-h.lifetime.Done():
			return false
		}
		break
	}
	_, err := h.reload(h.lifetime, []*plugin{p}, func() (order, error) {
		return order{
			cause{kind: generations.KindDeploy, by: "image changed"}, []target{{plugin: p, file: p.Image, onChange: true}},
		}, nil
	})
	return errors.Is(err, generations.ErrChanged)
}

// truncated reports whether a file looks like an image that has not been written to its end yet, or not everywhere.
func truncated(file string) bool {
	_, err := native.InspectFile(file)
	return errors.Is(err, native.ErrTruncated) || errors.Is(err, native.ErrDamaged)
}

// watchDir adds the plugins whose files appear in Options.Dir later, and loads them as it would a changed image.
func (h *Host) watchDir() error {
	if h.opts.Dir == "" {
		return nil
	}
	changed := newWake()
	if _, err := h.watcher.Dir(h.opts.Dir, isImageName, func(watch.Event) { changed.up() }); err != nil {
		return err
	}
	changed.up() // a file may have appeared between the boot and the watch
	h.tasks.Go(func() {
		for {
			select {
			case <-changed:
			case <-h.lifetime.Done():
				return
			}
			configs, err := h.newInDir()
			if err != nil {
				h.log.Warn("read plugins directory", "err", err)
			}
			for _, config := range configs {
				h.add(config).watch()
			}
		}
	})
	return nil
}

// newInDir returns the plugins that have a file in Options.Dir and that the host doesn't have yet.
func (h *Host) newInDir() (configs []Plugin, err error) {
	images, err := imagesIn(h.opts.Dir)
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		config, err := pluginOfFile(image).resolve()
		table := h.table.Load()
		_, known := table.Named(config.Name)
		other, taken := table.At("/" + config.Name)
		switch {
		case known:
		case err != nil:
			h.log.Warn("file can't be a plugin", "file", image, "err", err)
		case taken:
			h.log.Warn("file can't be a plugin: another one has its route", "file", image, "route", "/"+config.Name, "plugin", other.Name)
		default:
			configs = append(configs, config)
		}
	}
	return configs, nil
}

// pluginOfFile returns the configuration of the plugin that a file in Options.Dir makes.
func pluginOfFile(file string) Plugin {
	name := strings.TrimSuffix(filepath.Base(file), ".so")
	return Plugin{Name: name, Image: file, Mode: Dev, Routes: []string{"/" + name}}
}

// imagesIn lists the *.so files of dir. A directory that doesn't exist is empty: it may appear later.
func imagesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var images []string
	for _, e := range entries {
		if isImageName(e.Name()) {
			images = append(images, filepath.Join(dir, e.Name()))
		}
	}
	return images, nil
}

// isImageName reports whether a file of that name in Options.Dir is a plugin. Hidden files are builds in progress.
func isImageName(name string) bool {
	return strings.HasSuffix(name, ".so") && !strings.HasPrefix(name, ".")
}
