package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/sohost/sohost/internal/server/systemd"
)

// opened are the sockets that a server listens on.
type opened struct {
	listeners   []supervisor.Listener // at least one
	control     net.Listener
	controlPath string // the control socket's file, to be removed in the end; empty if systemd has made it
}

func (o *opened) close() error {
	var errs []error
	for _, l := range o.listeners {
		errs = append(errs, l.Close())
	}
	if o.control != nil {
		errs = append(errs, o.control.Close())
	}
	return errors.Join(errs...)
}

// url returns where the first listener can be reached.
func (o *opened) url(r *runFlags) string {
	first, scheme := o.listeners[0], "http://"
	if r.Listener[first.Name].Certificate != "" {
		scheme = "https://"
	}
	if first.Addr().Network() == "unix" {
		return "unix:" + first.Addr().String()
	}
	return scheme + first.Addr().String()
}

// listen opens the sockets, unless systemd has opened them. The one of the setting listen is the first.
func listen(r *runFlags) (open opened, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, open.close())
			open = opened{}
		}
	}()
	inherited, err := systemd.Sockets(r.listenerNames()...)
	if err != nil {
		return open, err
	}
	open.control = inherited[systemd.ForControl]
	add := func(name, address string, mode fs.FileMode, flag string) error {
		if l := inherited[name]; l != nil {
			open.listeners = append(open.listeners, supervisor.Listener{Name: name, Listener: l, Stays: true})
			return nil
		}
		if address == "" {
			return usageError{fmt.Errorf("listener %s has no address, and there is no socket of this name from systemd", name)}
		}
		l, path, err := listener.Listen(address, mode)
		if err != nil {
			return listenError(err, flag)
		}
		open.listeners = append(open.listeners, supervisor.Listener{Name: name, Listener: l, Path: path})
		return nil
	}
	all := r.allListeners()
	if _, has := all[listener.Plain]; !has && inherited[listener.Plain] != nil {
		all[listener.Plain] = listenerConfig{Mode: defaultSocketMode}
	}
	for _, name := range inOrder(all) {
		l := all[name]
		mode, _ := l.mode() // it was checked
		where := "[listener." + name + "]"
		if name == listener.Plain {
			where = "--listen"
		}
		if err := add(name, l.Address, mode, where); err != nil {
			return open, err
		}
	}
	if open.control == nil {
		open.control, err = control.Listen(r.Control)
		if errors.Is(err, control.ErrInUse) {
			err = fmt.Errorf("%w; `sohost status --control %s` shows what it serves. A second server needs its own --control and --store",
				err, r.Control)
		}
		open.controlPath = r.Control
	}
	return open, err
}

// listenError explains why HTTP has no socket. An address that can't exist is a usageError; one that is taken isn't.
func listenError(err error, flag string) error {
	var host *net.DNSError
	wrong := errors.As(err, new(*net.AddrError)) || errors.As(err, &host) && host.IsNotFound
	err = fmt.Errorf("listen for HTTP: %w; name another address with %s", err, flag)
	if wrong {
		return usageError{err}
	}
	return err
}
