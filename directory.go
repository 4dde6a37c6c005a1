package sohost

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/owners"
	"github.com/sohost/sohost/internal/watch"
)

// IgnoredFile is a *.so file in Options.Dir that is no plugin.
type IgnoredFile struct {
	File  string    `json:"file"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// ignoredFiles lists what the last look at Options.Dir has ignored.
type ignoredFiles struct {
	mu    sync.Mutex // guards files
	files []IgnoredFile
}

func (i *ignoredFiles) all() []IgnoredFile {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.files)
}

// set replaces the list, and returns what is new in it.
func (i *ignoredFiles) set(files []IgnoredFile) (added []IgnoredFile) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, f := range files {
		at := slices.IndexFunc(i.files, func(o IgnoredFile) bool { return o.File == f.File && o.Why == f.Why })
		if at < 0 {
			added = append(added, f)
		} else {
			files[n] = i.files[at]
		}
	}
	i.files = files
	return added
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
				continue
			}
			for _, config := range configs {
				h.add(config).watch()
			}
			if len(configs) > 0 {
				h.breakLoops()
			}
			h.forgetGone()
		}
	})
	return nil
}

// newInDir returns the plugins that have a file in Options.Dir and that the host doesn't have yet. It notes which files are ignored, and
// logs those that weren't before.
func (h *Host) newInDir() (configs []Plugin, err error) {
	images, err := imagesIn(h.opts.Dir)
	if err != nil {
		return nil, err
	}
	var ignored []IgnoredFile
	for _, image := range images {
		config, err := pluginOfFile(image).resolve()
		table := h.table.Load()
		_, known := table.Named(config.Name)
		other, taken := table.At("/" + config.Name)
		_, released := h.ledger.Current().Plugins[config.Name] // it boots that, whatever its file is
		if known || h.opts.isDisabled(config.Name) {
			continue
		}
		switch {
		case err != nil:
		case taken:
			err = errors.New("plugin " + other.Name + " has its route, /" + config.Name)
		case !released:
			err = h.noImage(image)
		}
		if err != nil {
			ignored = append(ignored, IgnoredFile{File: image, Why: err.Error(), Since: time.Now()})
			continue
		}
		configs = append(configs, config)
	}
	for _, f := range h.ignored.set(ignored) {
		h.log.Warn("file is no plugin", "file", f.File, "why", f.Why)
	}
	return configs, nil
}

// noImage returns why a file in Options.Dir can't be an image, or nil.
func (h *Host) noImage(file string) error {
	fi, err := owners.Leads(file)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return &generations.NotRegularError{Mode: fi.Mode()}
	}
	if err := h.leavesDir(file); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, generations.HeadSize)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	if h.loader.Head == nil {
		return nil
	}
	return h.loader.Head(head[:n])
}

// leavesDir returns the error of a file of Options.Dir that is outside of it by a symbolic link, unless Options allow that.
func (h *Host) leavesDir(file string) error {
	if h.opts.OutsideLinks || h.opts.Dir == "" || filepath.Dir(file) != h.opts.Dir {
		return nil
	}
	where, err := owners.Outside(h.opts.Dir, file)
	if err != nil || where == "" {
		return err
	}
	return errors.New("a link to " + where + ", which is outside of the plugins directory; put the file there, name it in the " +
		"configuration, or set outside_links")
}

// forgetGone forgets plugins of Options.Dir that serve nothing, that no release names, and whose file is gone.
func (h *Host) forgetGone() {
	for _, p := range h.plugins() {
		if p.gone() {
			p.forgetIfGone()
		}
	}
}

// gone reports whether the plugin is to be forgotten.
func (p *plugin) gone() bool {
	_, err := os.Lstat(p.Image)
	_, released := p.host.ledger.Current().Plugins[p.Name]
	return p.fromDir && errors.Is(err, os.ErrNotExist) && p.serving() == nil && !released
}

// forgetIfGone forgets the plugin if it is gone once no reload can change that. It blocks while a handover or a reload of the plugin runs.
func (p *plugin) forgetIfGone() {
	h := p.host
	h.adding.Lock() // before the token, which a handover wants with adding held
	defer h.adding.Unlock()
	if p.ownOpen(h.lifetime) != nil {
		return
	}
	defer p.disown()
	if !p.gone() {
		return
	}
	h.table.Store(h.table.Load().Without(p.Name, append(p.triggerRoutes(), p.Routes...)))
	h.triggers.Forget(p.Name)
	close(p.forgotten)
	p.mu.Lock()
	watched := p.watched
	p.mu.Unlock()
	if watched != nil {
		watched.Remove()
	}
	h.log.Info("forgotten: its file is gone, and it has never served", "plugin", p.Name, "image", p.Image)
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
