package main

import (
	"fmt"
	"io"

	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/terminal"
)

// printHooks prints how the hooks do that don't take all events.
func printHooks(w io.Writer, all []hooks.Status) {
	for _, h := range all {
		if h.Error != "" {
			fmt.Fprintf(w, "\nhook %s fails, last %s ago; %s not taken: %s\n", h.Name, ago(h.ErrorTime), count(int(h.Failed), "event"), terminal.Printable(h.Error))
		}
		if h.Missed > 0 {
			fmt.Fprintf(w, "\nhook %s is too slow: %s missed\n", h.Name, count(int(h.Missed), "event"))
		}
	}
}
