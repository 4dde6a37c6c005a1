package sohost

import (
	"errors"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
	"github.com/sohost/sohost/native"
)

// unfinished is how long an image that ends too early may be silent before it is taken for broken rather than half written.
const unfinished = time.Second

// watchPlugin reloads a plugin whenever its image changes.
func (h *Host) watchPlugin(p *plugin) {
	target, err := h.watcher.File(p.Image, func(watch.Event) { p.changed.raise() })
	if err != nil {
		h.log.Error("watch image", "plugin", p.name, "image", p.Image, "err", err)
		return
	}
	p.mu.Lock()
	p.watched = target
	p.mu.Unlock()
	p.changed.raise() // it may have changed while nobody watched
	h.tasks.Go(func() { h.follow(p) })
}

// follow is the one goroutine that reloads a plugin for changes of its image.
func (h *Host) follow(p *plugin) {
	for {
		select {
		case <-p.changed:
		case <-h.lifetime.Done():
			return
		}
		for h.reloadChanged(p) {
			select { // it is being written to
			case <-p.changed:
			case <-time.After(h.opts.Settle):
			case <-h.lifetime.Done():
				return
			}
		}
	}
}

// reloadChanged loads the plugin's image as it is now. It says whether to try again, because the image was still being
// written to.
func (h *Host) reloadChanged(p *plugin) (again bool) {
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
	t := target{plugin: p, file: p.Image, onChange: true}
	_, err := h.reload(h.lifetime, cause{kind: generations.KindDeploy, by: "image changed"}, []target{t})
	return errors.Is(err, generations.ErrChanged)
}

// truncated says whether a file looks like an image whose end has not been written yet.
func truncated(file string) bool {
	_, err := native.InspectFile(file)
	return errors.Is(err, native.ErrTruncated)
}

// watchDir adds the plugins that appear in Options.Dir later, and loads them as changed images are loaded.
func (h *Host) watchDir() error {
	if h.opts.Dir == "" {
		return nil
	}
	changed := make(signal, 1)
	if _, err := h.watcher.Dir(h.opts.Dir, isImageName, func(watch.Event) { changed.raise() }); err != nil {
		return err
	}
	changed.raise() // a file may have come between the boot and the watch
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
				h.watchPlugin(h.add(config))
			}
		}
	})
	return nil
}

// newInDir are the plugins that files of Options.Dir stand for and that the host doesn't have yet.
func (h *Host) newInDir() (configs []Plugin, err error) {
	images, err := imagesIn(h.opts.Dir)
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		config, err := pluginOfFile(image).resolve()
		x := h.index.Load()
		switch other := x.prefixes["/"+config.Name]; {
		case x.names[config.Name] != nil:
		case err != nil:
			h.log.Warn("file can't be a plugin", "file", image, "err", err)
		case other != nil:
			h.log.Warn("file can't be a plugin: its route is another's", "file", image, "route", "/"+config.Name, "plugin", other.name)
		default:
			configs = append(configs, config)
		}
	}
	return configs, nil
}
