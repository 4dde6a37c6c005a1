package main

import "github.com/sohost/sohost/internal/server/hooks"

// bindHook returns the settings of one hook, stored in h. Those that aren't given stay zero: package hooks has the defaults.
func bindHook(h *hooks.Hook) []setting {
	return []setting{
		{key: "on", value: asNames(&h.On), initial: "required",
			help: "the kinds of events of which it is told; see [monitoring.md](monitoring.md#events)"},
		{key: "plugins", value: asNames(&h.Plugins), initial: "all",
			help: "only events of these plugins"},
		{key: "command", value: asNames(&h.Command), initial: "none",
			help: "a program and its arguments; it gets the event on its standard input"},
		{key: "url", value: asText("URL", &h.URL, ""), initial: "none",
			help: "where the event is sent by POST"},
		{key: "timeout", value: unset(asDuration(&h.Timeout, hooks.DefaultTimeout), &h.Timeout),
			help: "limit for one attempt; a command that takes longer is killed, with all that it has started"},
		{key: "attempts", value: unset(asNumber(&h.Attempts, hooks.DefaultAttempts), &h.Attempts),
			help: "how often it is tried, with pauses of 1 s, 2 s and so on"},
	}
}
