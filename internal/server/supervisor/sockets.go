package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"

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
		on, err := newSocket(l)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.sockets = append(s.sockets, on)
		s.mu.Unlock()
	}
	return nil
}

func newSocket(l Listener) (socket, error) {
	f, err := fileOf(l.Listener)
	return socket{l, f}, err
}

// close closes the socket, and removes its file if that is this server's own.
func (on socket) close() {
	on.file.Close()
	unlink(on.Listener.Listener, &on.Path)
	if !on.Stays {
		on.Listener.Close()
	}
}

// unlink removes the file of a unix socket, unless path is empty, and empties path. Whoever closes the socket later leaves the file alone,
// which may be another socket's by then.
func unlink(on net.Listener, path *string) {
	if *path == "" {
		return
	}
	if u, ok := on.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	os.Remove(*path)
	*path = ""
}

// chmod changes the mode of a unix socket's file.
func (on socket) chmod(mode fs.FileMode) error { return os.Chmod(on.Path, mode) }

// closeSockets closes those that there are.
func (s *Supervisor) closeSockets() {
	for _, on := range s.listening() {
		on.close()
	}
}

// listening returns the sockets of the listeners.
func (s *Supervisor) listening() []socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets
}

// fileOf returns a copy of the listener's open file.
func fileOf(l net.Listener) (*os.File, error) {
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("listen for HTTP: a %T can't be passed to a worker", l)
	}
	return f.File()
}

// served returns how the listeners are served, in the order of their sockets, with the certificates that are in their files now.
func (s *Supervisor) served() []listener.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servedLocked()
}

// servedLocked does that while s.mu is held.
func (s *Supervisor) servedLocked() []listener.Settings {
	return s.pairs.newest(s.start.Load().Listeners)
}

// newest returns the settings with the certificates that were read since the configuration was; Supervisor.mu is held.
func (p *pairs) newest(all []listener.Settings) []listener.Settings {
	all = slices.Clone(all)
	for i, l := range all {
		if newer, is := p.good[l.Files]; is && l.Pair != nil {
			all[i].Pair = &newer
		}
	}
	return all
}

// settingsOf returns how listeners are to be served, of which a configuration may not say anything.
func settingsOf(listeners []Listener, configured []listener.Settings) (all []listener.Settings) {
	for _, on := range listeners {
		settings := listener.Settings{Name: on.Name}
		if i := indexOf(configured, on.Name); i >= 0 {
			settings = configured[i]
		}
		if on.Stays {
			settings.Address, settings.Mode = "", 0
		}
		all = append(all, settings)
	}
	return all
}

// possible returns the listeners of a configuration as they can be: the sockets of systemd stay, whatever it says.
func (s *Supervisor) possible(configured []listener.Settings) []listener.Settings {
	if len(configured) == 0 {
		configured = []listener.Settings{{Name: listener.Plain}}
	}
	all := slices.Clone(configured)
	now := s.served()
	for i, on := range s.listening() {
		if !on.Stays {
			continue
		}
		if at := indexOf(all, on.Name); at >= 0 {
			all[at].Address, all[at].Mode = "", 0
		} else {
			all = append(all, now[i])
		}
	}
	return all
}

func indexOf(all []listener.Settings, name string) int {
	return slices.IndexFunc(all, func(l listener.Settings) bool { return l.Name == name })
}

// form returns the version of what this supervisor leaves to another program.
func (s *Supervisor) form() int {
	settings := s.start.Load().Listeners
	if len(settings) > 1 || len(settings) > 0 && settings[0].Pair != nil {
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

// addresses adds to the settings of listeners where they are, which an earlier program has left among all settings only.
func (l *Legacy) addresses() {
	for i := range l.Start.Listeners {
		s := &l.Start.Listeners[i]
		at := func(key string) string { return l.Settings["listener."+s.Name+"."+key] }
		if s.Address == "" && s.Name == listener.Plain {
			s.Address = l.Settings["listen"]
		}
		s.Address = cmp.Or(s.Address, at("address"))
		if mode, err := strconv.ParseUint(at("mode"), 8, 32); err == nil && s.Mode == 0 {
			s.Mode = fs.FileMode(mode)
		}
	}
}
