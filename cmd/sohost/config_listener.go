package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/listener"
)

// listenerConfig is a listening socket.
type listenerConfig struct {
	Address     string // "" if systemd has the socket
	Mode        string // of a unix socket's file, in octal digits
	Certificate string
	Key         string
	H2c         bool

	ConnectionsPerAddress int
}

// bindListener returns the settings of a listener, stored in l.
func bindListener(l *listenerConfig) []setting {
	return []setting{
		{key: "address", value: asAddress(&l.Address), initial: "the socket of this name from systemd",
			help: "serve HTTP on this address: HOST:PORT, [IPV6]:PORT, or unix:PATH"},
		{key: "mode", value: asText("octal digits", &l.Mode, defaultSocketMode),
			help: "permissions of a unix socket's file: who may write may connect; for `listen` without a table 0666"},
		{key: "certificate", value: asPath("path", &l.Certificate), initial: "none",
			help: "talk TLS with the certificate in this file, in PEM, followed by those between it and its root; it is read again when it changes"},
		{key: "key", value: asPath("path", &l.Key), initial: "none",
			help: "the key of the certificate, in PEM"},
		{key: "h2c", value: asBoolean(&l.H2c),
			help: "serve HTTP/2 without TLS, too, to clients that know of it; with TLS, clients choose by themselves"},
		{key: "connections_per_address", value: atLeast(0, asNumber(&l.ConnectionsPerAddress, 0), &l.ConnectionsPerAddress), initial: "no limit",
			help: "close at once what exceeds this many connections from one address, or from one /64 of IPv6"},
	}
}

// asAddress is an address to listen on. The path of a unix socket is as with asPath.
func asAddress(to *string) value {
	v := asText("address", to, "")
	plain := v.fromTOML
	v.fromTOML = func(p *parser, at keyPath, v any) {
		plain(p, at, v)
		if path, is := strings.CutPrefix(*to, "unix:"); is && path != "" {
			*to = "unix:" + absoluteTo(p.dir, path)
		}
	}
	return v
}

// defaultSocketMode lets the server's user and group connect.
const defaultSocketMode = "0660"

// openSocketMode lets everybody connect. It is that of the setting listen, without a table.
const openSocketMode = "0666"

// check calls bad for each fault.
func (l *listenerConfig) check(bad func(key, text string)) {
	if path, is := strings.CutPrefix(l.Address, "unix:"); is && path == "" {
		bad("address", "want a path after unix:")
	}
	if _, err := l.mode(); err != nil {
		bad("mode", err.Error())
	}
	switch {
	case l.Certificate != "" && l.Key == "":
		bad("certificate", "it needs a key, too")
	case l.Key != "" && l.Certificate == "":
		bad("key", "it needs a certificate, too")
	case l.Certificate != "" && l.H2c:
		bad("h2c", "this is for listeners without a certificate: with TLS, clients choose HTTP/2 by themselves")
	}
}

// mode returns the permissions of a unix socket's file.
func (l *listenerConfig) mode() (fs.FileMode, error) {
	n, err := strconv.ParseUint(l.Mode, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf(`want octal digits such as "0660", not %q`, l.Mode)
	}
	return fs.FileMode(n), nil
}

// maxListeners is how many listeners there may be: a worker gets all their sockets in one message.
const maxListeners = 32

// badListeners finds what listeners can't be called, addresses that are named twice, and too many listeners.
func (c *config) badListeners(bad func(at keyPath, text string)) {
	if _, has := c.Listener["control"]; has {
		bad(keyPath{"listener", "control"}, "listener control: this is the name of the control socket; choose another")
	}
	plain := c.Listener[listener.Plain]
	if c.Listen != "" && plain.Address != "" {
		bad(keyPath{"listener", listener.Plain, "address"}, "address: listen is the same; name one of them")
	}
	if c.ConnectionsPerAddress != 0 && plain.ConnectionsPerAddress != 0 {
		bad(keyPath{"listener", listener.Plain, "connections_per_address"}, "connections_per_address: the one outside of the table is the same; name one of them")
	}
	if n := len(c.Listener); n > maxListeners {
		bad(keyPath{"listener"}, fmt.Sprintf("there are %d listeners, and may be %d", n, maxListeners))
	}
}

// allListeners returns the listeners by their names, with the one of the setting listen, which may have a table, too.
func (c *config) allListeners() map[string]listenerConfig {
	all := maps.Clone(c.Listener)
	plain, has := all[listener.Plain]
	if !has {
		plain.Mode = openSocketMode
	}
	plain.Address = cmp.Or(c.Listen, plain.Address)
	plain.ConnectionsPerAddress = cmp.Or(plain.ConnectionsPerAddress, c.ConnectionsPerAddress)
	if has || c.Listen != "" {
		all[listener.Plain] = plain
	}
	return all
}

// listensByDefault reports whether no listener says where it is but for those that may come from systemd.
func (c *config) listensByDefault() bool {
	_, plain := c.Listener[listener.Plain]
	return c.Listen == "" && (len(c.Listener) == 0 || plain && len(c.Listener) == 1 && c.Listener[listener.Plain].Address == "")
}

// inOrder returns the names of listeners, that of the setting listen first.
func inOrder(all map[string]listenerConfig) []string {
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == listener.Plain:
			return -1
		case b == listener.Plain:
			return 1
		}
		return cmp.Compare(a, b)
	})
}

// listenerNames returns the names of the listeners beside that of the setting listen.
func (c *config) listenerNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.Listener)), func(name string) bool { return name == listener.Plain })
}

// listenerSettings returns how each listener is served, and reads the certificates. A pair that can't be used is an error.
func (c *config) listenerSettings() (all []listener.Settings, err error) {
	configured := c.allListeners()
	for _, name := range inOrder(configured) {
		l := configured[name]
		mode, _ := l.mode() // it was checked
		s := listener.Settings{Name: name, Address: l.Address, Mode: mode, H2C: l.H2c, PerAddress: l.ConnectionsPerAddress}
		if l.Certificate != "" {
			s.Files = certs.Files{Certificate: l.Certificate, Key: l.Key}
			p, err := s.Files.Read()
			if err != nil {
				return nil, fmt.Errorf("listener %s: %w", name, err)
			}
			s.Pair = &p
		}
		all = append(all, s)
	}
	return all, nil
}
