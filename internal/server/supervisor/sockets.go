package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/sohost/sohost/internal/server/listener"
)

// socket is a listening socket, of which each worker gets a copy.
type socket struct {
	Listener
	file *os.File
}

// openSockets copies the listeners' open files.
func (s *Supervisor) openSockets() error {
	for _, l := range s.opts.Listeners {
		f, err := fileOf(l.Listener)
		if err != nil {
			return err
		}
		s.sockets = append(s.sockets, socket{l, f})
	}
	return nil
}

// closeSockets closes them, and removes the files of those that are this server's own.
func (s *Supervisor) closeSockets() {
	for _, on := range s.sockets {
		on.file.Close()
		if on.Path != "" {
			os.Remove(on.Path) // the listener has removed it, unless an upgrade has made it keep it
		}
	}
}

// fileOf returns a copy of the listener's open file.
func fileOf(l net.Listener) (*os.File, error) {
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("listen for HTTP: a %T can't be passed to a worker", l)
	}
	return f.File()
}

// served returns how the sockets are served, in their order, by a configuration. One that this names no more is served as before, until
// a restart closes it; one that it has in addition has no socket before that.
func (s *Supervisor) served(configured []listener.Settings) []listener.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servedLocked(configured)
}

// servedLocked does that while s.mu is held.
func (s *Supervisor) servedLocked(configured []listener.Settings) []listener.Settings {
	var all []listener.Settings
	for _, on := range s.opts.Listeners {
		settings := listener.Settings{Name: on.Name}
		for _, list := range [][]listener.Settings{s.start.Load().Listeners, configured} {
			if i := slices.IndexFunc(list, func(l listener.Settings) bool { return l.Name == on.Name }); i >= 0 {
				settings = list[i]
			}
		}
		if p, newer := s.pairs.good[settings.Files]; newer && settings.Pair != nil {
			settings.Pair = &p
		}
		all = append(all, settings)
	}
	return all
}

// form returns the version of what this supervisor leaves to another program.
func (s *Supervisor) form() int {
	settings := s.start.Load().Listeners
	if len(s.opts.Listeners) > 1 || len(settings) > 0 && settings[0].Pair != nil {
		return listenersForm
	}
	return legacyForm
}

// listeners returns the listeners that the program before has left.
func (l *Legacy) listeners() (all []Listener, err error) {
	left := l.Listeners
	if len(left) == 0 {
		left = []listenerLegacy{{Name: listener.Plain, File: l.Public, Stays: l.PublicStays}}
	}
	for _, one := range left {
		f := fileAt(one.File, one.Name)
		on, listenErr := net.FileListener(f)
		if listenErr != nil {
			err = errors.Join(err, fmt.Errorf("listen for HTTP: %w", listenErr))
			continue
		}
		f.Close()
		all = append(all, Listener{Name: one.Name, Listener: on, Stays: one.Stays, Path: one.Path})
	}
	return all, err
}
