package supervisor

import (
	"log/slog"
	"net"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/systemd"
	"github.com/sohost/sohost/internal/server/worker"
)

// Options configure a Supervisor. Listeners, Control, Lock and Log must be set.
type Options struct {
	Start   worker.Start      // what each worker is to serve
	Control net.Listener      // see control.Listen
	Lock    *generations.Lock // of Start.Options.Store
	Log     *slog.Logger

	// Listeners are for HTTP; there is at least one. Start.Listeners says how each is served, by its name.
	Listeners []Listener

	Own

	// Serving is called once, when the first worker serves, with a brief status. After an upgrade it is not called.
	Serving func(control.Status)

	// Settings are all settings that Start comes from, by their keys, and Reread reads them again. Default: the configuration can't be
	// read again.
	Settings map[string]string
	Reread   func(Reading) (Configured, error)

	// Amended is what commands have changed of the settings that there are at first, and what Keep stages is kept once these serve; see
	// Configured. Default: nothing.
	Amended []control.Amended
	Keep    Keep

	// Notifier reports to systemd. Default: there is no systemd.
	Notifier *systemd.Notifier
}

// Listener is a listening socket for clients.
type Listener struct {
	Name string
	net.Listener

	// Stays says that the socket is somebody else's, who keeps it open: connections wait there when the server has stopped. Default:
	// they are refused as soon as the server stops.
	Stays bool

	// Path is the file of a unix socket, which Run removes at its end. Default: it belongs to somebody else.
	Path string
}
