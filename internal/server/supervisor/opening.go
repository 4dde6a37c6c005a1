package supervisor

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
)

// opening is where a configuration has the server listen, opened before anything else is done about it. What is new waits there until
// commit, or is closed by undo, and then nothing was touched.
type opening struct {
	s      *Supervisor
	all    []socket // of the listeners, in the order of their settings
	opened []socket // those of them that are new
	closed []socket // those that no listener has any more
	modes  []socket // those whose files get another mode

	settings  []listener.Settings // of all
	own       Own
	endpoints endpoints // what is new of them
	ends      endpoints // what is no more
}

// open opens what a configuration has in addition. Its error has all that can't be, and what it is for.
func (s *Supervisor) open(next *Configured) (*opening, error) {
	o := &opening{s: s, settings: next.Start.Listeners, own: next.Own}
	now := s.served()
	left := map[int]socket{} // those that no listener has yet
	for i, on := range s.listening() {
		left[i] = on
	}
	o.all = make([]socket, len(o.settings))
	take := func(fits func(was listener.Settings, on socket, is listener.Settings) bool) {
		for i, is := range o.settings {
			for j, was := range now {
				if on, free := left[j]; free && o.all[i].file == nil && fits(was, on, is) {
					delete(left, j)
					on.Name = is.Name
					o.all[i] = on
					if was.Mode != is.Mode && on.Path != "" {
						o.modes = append(o.modes, on)
					}
				}
			}
		}
	}
	take(func(was listener.Settings, _ socket, is listener.Settings) bool {
		return was.Name == is.Name && was.Address == is.Address
	})
	take(func(_ listener.Settings, on socket, is listener.Settings) bool {
		return !on.Stays && isAt(on.Addr(), is.Address)
	})
	for _, on := range left {
		o.closed = append(o.closed, on)
	}
	slices.SortFunc(o.closed, func(a, b socket) int { return strings.Compare(a.Name, b.Name) })
	err := o.listen()
	if err = errors.Join(err, o.openEndpoints()); err != nil {
		o.undo()
		return nil, fmt.Errorf("%w\nnothing has changed: all that the server listened on, it listens on", err)
	}
	return o, nil
}

// isAt reports whether a socket is what listening on an address of the configuration leads to.
func isAt(at net.Addr, address string) bool {
	if path, is := strings.CutPrefix(address, "unix:"); is {
		return at.Network() == "unix" && at.String() == path
	}
	is, ok := at.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", address)
	return ok && err == nil && address != "" && want.Port == is.Port && want.Port != 0 && want.Zone == is.Zone &&
		(want.IP.Equal(is.IP) || (want.IP == nil || want.IP.IsUnspecified()) && is.IP.IsUnspecified())
}

// listen opens the sockets of the listeners that have none.
func (o *opening) listen() (err error) {
	for i, l := range o.settings {
		if o.all[i].file != nil {
			continue
		}
		on, one := o.open(l)
		if one != nil {
			err = errors.Join(err, fmt.Errorf("listener %s: %w", l.Name, one))
			continue
		}
		o.all[i] = on
		o.opened = append(o.opened, on)
	}
	return err
}

// open opens the socket of one listener. Its address may overlap with one that is closed with the same configuration, as all addresses of
// a port do with one of them.
func (o *opening) open(l listener.Settings) (on socket, err error) {
	if l.Address == "" {
		return on, errors.New("it has no address, and systemd has passed no socket of this name when the server was started")
	}
	opened, path, err := listener.Listen(l.Address, l.Mode)
	if errors.Is(err, syscall.EADDRINUSE) {
		opened, err = o.share(l.Address, err)
	}
	if err != nil {
		return on, err
	}
	on, err = newSocket(Listener{Name: l.Name, Listener: opened, Path: path})
	if err != nil {
		opened.Close()
	}
	return on, err
}

// share opens a socket at an address that is taken, as taken says, if that is by sockets that are to be closed.
func (o *opening) share(address string, taken error) (net.Listener, error) {
	for _, on := range o.closed {
		withDescriptor(on.file, func(fd int) error { return listener.Share(fd, false) }) // a unix socket knows nothing of that
	}
	on, err := listener.ListenShared(address)
	if err != nil {
		return nil, taken
	}
	return on, nil
}

// closedNames returns the names of the listeners whose sockets are closed, for the worker that has them now.
func (o *opening) closedNames() (names []string) {
	for _, on := range o.closed {
		names = append(names, on.Name)
	}
	return names
}

// undo closes what was opened.
func (o *opening) undo() {
	for _, on := range o.opened {
		on.close()
	}
	for _, on := range o.closed {
		withDescriptor(on.file, func(fd int) error { return listener.Share(fd, true) })
	}
	for _, e := range o.endpoints.all() {
		e.on.Close()
	}
}

// commitLocked makes what was opened what the server has; s.mu is held. What has to wait is done by the function returned, which is to
// be called without it.
func (o *opening) commitLocked() (after func()) {
	s := o.s
	s.sockets = o.all
	s.own.Store(&o.own)
	o.changeLocked()
	return func() {
		for _, on := range o.opened {
			s.beginListening(on)
			s.log.Info("listening", "listener", on.Name, "address", on.Addr().String())
		}
		for _, on := range o.modes {
			if err := on.chmod(o.settings[indexOf(o.settings, on.Name)].Mode); err != nil {
				s.log.Error("change the mode of a listener's file", "listener", on.Name, "err", err)
			}
		}
		for _, on := range o.closed {
			s.log.Info("no more connections are accepted", "listener", on.Name, "address", on.Addr().String())
			unlink(on.Listener.Listener, &on.Path) // now: the next configuration may have another socket there
			s.tasks.Go(func() {
				s.shut(on)
				on.close()
			})
		}
		for _, e := range o.ends.all() {
			unlink(e.on, &e.path)
			s.tasks.Go(func() { e.end(s.stopped) })
		}
	}
}

// beginListening has a new socket listen, as the worker does, and share its port with no other any more. After stopListening, which may
// have known nothing of it, it shuts the socket instead.
func (s *Supervisor) beginListening(on socket) {
	s.refusing.Lock()
	defer s.refusing.Unlock()
	alone := func() { withDescriptor(on.file, func(fd int) error { return listener.Share(fd, true) }) }
	if s.refuses {
		alone()
		if _, is := s.refused[on.file]; !is {
			s.refused[on.file] = struct{}{}
			s.shut(on)
		}
		return
	}
	if err := withDescriptor(on.file, listener.Begin); err != nil {
		s.log.Error("listen", "listener", on.Name, "err", err)
	}
	alone()
}

// says returns where the server begins and where it ceases to listen.
func (o *opening) says() (opens, closes []control.Address) {
	for _, on := range o.opened {
		opens = append(opens, control.Address{What: "listener " + on.Name, Address: on.Addr().String()})
	}
	for _, on := range o.closed {
		closes = append(closes, control.Address{What: "listener " + on.Name, Address: on.Addr().String()})
	}
	for _, e := range o.endpoints.all() {
		opens = append(opens, control.Address{What: e.what, Address: e.on.Addr().String()})
	}
	for _, e := range o.ends.all() {
		closes = append(closes, control.Address{What: e.what, Address: e.on.Addr().String()})
	}
	stays := func(a control.Address) bool { return slices.Contains(opens, a) && slices.Contains(closes, a) } // with another token
	return slices.DeleteFunc(slices.Clone(opens), stays), slices.DeleteFunc(slices.Clone(closes), stays)
}
