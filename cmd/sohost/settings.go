package main

import (
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
)

// setting is one thing that an operator can set. Its flag, its key in sohost.toml, its line in --help and its row in
// docs/configuration.md all come from this entry, so they can't disagree.
type setting struct {
	key     string // in sohost.toml
	value   value  // its type and default, and where it is stored
	help    string // one line, without the default
	initial string // the default in words, where it depends on something else
	option  string // the name in --plugin; flags of run are named after the key
}

// flag returns the setting's name on the command line.
func (s setting) flag() string {
	if s.option != "" {
		return s.option
	}
	return strings.ReplaceAll(s.key, "_", "-")
}

// standard returns the default as --help and the reference show it.
func (s setting) standard() string {
	if s.initial != "" {
		return s.initial
	}
	return s.value.initial
}

// bind returns the settings of `sohost run`, stored in c, which gets their defaults. The order is that of --help and of the
// reference.
func (c *config) bind() []setting {
	d, limits := sohost.DefaultOptions(), listener.DefaultLimits()
	return []setting{
		{key: "listen", value: asAddress(&c.Listen),
			help:    "serve HTTP on this address, HOST:PORT or unix:PATH; port 0 picks a free one. A table [listener.http] says more of it, such as its certificate; [listener.NAME] is another one",
			initial: defaultListen + " if no listener is named"},
		{key: "store", value: asPath("directory", &c.Store),
			help: "keep images, releases and checkpoints in this directory", initial: "below $XDG_STATE_HOME or ~/.local/state"},
		{key: "control", value: asPath("path", &c.Control),
			help:    "make the control socket, on which commands reach the server, at this path",
			initial: "$" + controlEnv + ", or control.sock next to the default store"},
		{key: "metrics", value: asText("address", &c.Metrics, ""),
			help: "answer /metrics, /healthz and /readyz on this address; see docs/monitoring.md", initial: "none"},
		{key: "pprof", value: asBoolean(&c.Pprof),
			help: "answer /debug/pprof/ on the address of metrics, too; see docs/monitoring.md"},
		{key: "console", value: asText("address", &c.Console, ""),
			help: "show the console to browsers on this address; see docs/console.md", initial: "none"},
		{key: "console_token_file", value: asPath("path", &c.ConsoleTokenFile),
			help: "let into the console those who know the token in this file; needed for any console address but loopback", initial: "none"},
		{key: "plugins", value: asPath("directory", &c.Plugins),
			help: "serve each *.so file in this directory in dev mode, under /NAME", initial: defaultPlugins + " if no plugin is named"},

		{key: "writes", value: asWrites(&c.Writes, &c.writing),
			help: "take points on the paths to which clients of InfluxDB 1, 2 and 3 write, for plugins with a trigger for their table; a table [writes] says how"},
		{key: "poll", value: asBoolean(&c.Poll),
			help: "watch files by polling only; without it, only those whose changes the kernel can't report are polled"},
		{key: "any_owner", value: asBoolean(&c.AnyOwner),
			help: "in prod mode, too, load images that others than root and the server's user may change"},
		{key: "outside_links", value: asBoolean(&c.OutsideLinks),
			help: "follow links in the plugins directory that lead out of it"},
		{key: "settle", value: asDuration(&c.Settle, d.Settle),
			help: "read a changed image once it has been quiet for this long"},
		{key: "open_timeout", value: asDuration(&c.OpenTimeout, d.OpenTimeout),
			help: "limit for the probe of an image (without waits for a CPU), then for opening it and New, and then for Start"},
		{key: "drain_timeout", value: asDuration(&c.DrainTimeout, d.DrainTimeout),
			help: "limit for draining a stateful plugin, and then for Stop, Export and Import"},
		{key: "boot_wait", value: asDuration(&c.BootWait, d.BootWait),
			help: "how long after the beginning of a boot callers wait for a plugin that isn't up, instead of getting 503"},
		{key: "keep", value: asNumber(&c.Keep, d.Keep),
			help: "keep this many releases in the store; -1 keeps all"},
		{key: "probation", value: asDuration(&c.Probation, d.Probation),
			help: "confirm a release, to which a crash can then fall back, or a new program, once it has served for this long"},

		{key: "checkpoints", value: asInterval(&c.Checkpoints, d.CheckpointInterval),
			help: "time between two checkpoints of each plugin's state; off for none"},
		{key: "checkpoint_pause", value: asDuration(&c.CheckpointPause, d.CheckpointPause),
			help: "how long a checkpoint may hold callers back; one that needs longer is given up"},
		{key: "state_limit", value: asBytes(&c.StateLimit, int(d.StateLimit)),
			help: "limit for a copy of one plugin's state"},

		{key: "header_timeout", value: asDuration(&c.HeaderTimeout, limits.Header),
			help: "limit for the header of a client's request"},
		{key: "body_timeout", value: asInterval(&c.BodyTimeout, limits.Body),
			help: "cut off a client of whose request body nothing has arrived for this long; off for never"},
		{key: "idle_timeout", value: asDuration(&c.IdleTimeout, limits.Idle),
			help: "close a client's connection that has had no request for this long"},
		{key: "header_limit", value: atLeast(1, asBytes(&c.HeaderLimit, limits.HeaderBytes), &c.HeaderLimit),
			help: "limit for the size of the header of a client's request"},
		{key: "body_limit", value: atLeast(0, asNumber(&c.BodyLimit, 0), &c.BodyLimit), initial: "no limit",
			help: "limit for the size of the body of a client's request to a plugin, in bytes"},
		{key: "connections_per_address", value: atLeast(0, asNumber(&c.ConnectionsPerAddress, 0), &c.ConnectionsPerAddress), initial: "no limit",
			help: "close at once what exceeds this many connections to listen from one address, or from one /64 of IPv6"},
		{key: "shutdown_timeout", value: asDuration(&c.ShutdownTimeout, 30*time.Second),
			help: "limit for finishing requests when the server stops"},
		{key: "stop_delay", value: asDelay(&c.StopDelay, 0),
			help: "when told to stop, say so on /readyz, and serve on for this long before connections are refused"},
		{key: "linger", value: asDelay(&c.Linger, 10*time.Minute),
			help: "how long an old worker may live for its connections after a handover; at least shutdown_timeout"},
		{key: "linger_workers", value: atLeast(1, asNumber(&c.LingerWorkers, worker.DefaultLingerWorkers), &c.LingerWorkers),
			help: "how many old workers may live for that; one more, and the oldest has shutdown_timeout"},
		{key: "hang_timeout", value: asDuration(&c.HangTimeout, 10*time.Second),
			help: "replace a worker that has not answered for this long; while nobody calls a plugin it is asked every 10 s only"},
		{key: "handover_timeout", value: asDuration(&c.HandoverTimeout, 2*time.Minute),
			help: "limit for a handover to a new worker"},
		{key: "old_generations", value: asNumber(&c.OldGenerations, d.Budget.Generations),
			help: "hand over to a new worker when more old generations than this are loaded; a full image counts as four"},
		{key: "old_memory", value: asBytes(&c.OldMemory, int(d.Budget.Memory)),
			help: "hand over when old generations keep more memory than this resident"},
		{key: "old_goroutines", value: asNumber(&c.OldGoroutines, d.Budget.Goroutines),
			help: "hand over when more goroutines of old generations than this still run"},
		{key: "open_files", value: asNumber(&c.OpenFiles, d.Budget.Files),
			help: "hand over when a worker has more than this percentage of the files open that it may, clients' connections not counted"},
	}
}

// bind returns the settings of one plugin, stored in p, which gets their defaults.
func (p *pluginConfig) bind() []setting {
	return []setting{
		{key: "image", value: asPath("path", &p.Image), initial: "required",
			help: "the .so file"},
		{key: "mode", option: "mode", value: asOneOf("mode", &p.Mode, sohost.Prod, [2]sohost.Mode{sohost.Dev, sohost.Prod}),
			help: "when a changed image is loaded: `dev` as soon as the file changes, `prod` only on `sohost deploy`"},
		{key: "routes", option: "route", value: asRoutes(&p.Routes), initial: "/NAME",
			help: "URL paths to serve, each with everything below it; the longest match wins"},
		{key: "probe", option: "probe", value: asOneOf("mode", &p.Probe, sohost.Walled, [2]sohost.ProbeMode{sohost.Walled, sohost.Unwalled}),
			help: "what a new image's init functions may do when it is tried in a child process: `walled` lets them only read files, " +
				"`unwalled` lets them do all that the server may"},
		{key: "api", option: "api", value: asAPI(&p.API), initial: "the image's",
			help: "the plugin API that its images must be of: " + apiNames() + "; see [existing-plugins.md](existing-plugins.md)"},
		{key: "cut_after", option: "cut_after", value: asDuration(&p.CutAfter, 0), initial: "never",
			help: "how long requests may hold up a reload or a handover that waits for them, because the plugin has state or is exclusive; those " +
				"that still run are cut off then"},
		{key: "args", option: "arg.KEY", value: asTypedArguments(&p.Args, &p.Values),
			help: "arguments for the plugin's New, which finds them in `abi.Host`; those that are no strings as JSON"},
		{key: "sinks", option: "sink", value: asNames(&p.Sinks), initial: "all but those of kind `plugins`",
			help: "the sinks that get the rows which the plugin emits"},
		{key: "disabled", option: "disabled", value: asBoolean(&p.Disabled),
			help: "the plugin doesn't run, and requests for its routes get 503, until `sohost plugin enable`"},
		{key: "trigger", option: "trigger", value: asTriggers(&p.Triggers),
			help: "when the plugin is called besides requests for its routes; each is a table `[[plugin.NAME.trigger]]`, see " +
				"[triggers.md](triggers.md)"},
	}
}
