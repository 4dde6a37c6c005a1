package main

import (
	"fmt"
	"io"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// printListeners lists the sockets for clients, unless there is only one without TLS.
func printListeners(w io.Writer, listeners []control.ListenerStatus) {
	if len(listeners) == 1 && listeners[0].Certificate == nil && listeners[0].Refused == 0 {
		return
	}
	for _, l := range listeners {
		fmt.Fprintf(w, "listener  %s on %s", l.Name, l.Address)
		switch c := l.Certificate; {
		case c != nil:
			fmt.Fprintf(w, ", TLS, certificate until %s\n", c.Until.Format(time.DateOnly))
			if text := expiry(c.Until, time.Now()); text != "" {
				fmt.Fprintf(w, "          it %s: put the next one into %s, and into the file of its key\n", text, c.File)
			}
			if c.Failed != nil {
				fmt.Fprintf(w, "          what is in its files is not taken up, %s ago: %s\n", ago(c.Failed.Time), c.Failed.Error)
			}
		case l.H2C:
			fmt.Fprintln(w, ", HTTP/2 without TLS, too")
		default:
			fmt.Fprintln(w)
		}
		if l.Refused > 0 {
			fmt.Fprintf(w, "          the worker has closed %d connections whose address had too many\n", l.Refused)
		}
	}
}

// soon is how long before its end a certificate is told of: whoever ought to have renewed it by then hasn't.
const soon = 14 * 24 * time.Hour

// expiry says what becomes of a certificate soon; empty: nothing does.
func expiry(until, now time.Time) string {
	switch left := until.Sub(now); {
	case left <= 0:
		return "has expired"
	case left < 48*time.Hour:
		return "expires in " + count(int(left.Hours()), "hour")
	case left < soon:
		return "expires in " + count(int(left.Hours()/24), "day")
	}
	return ""
}

// expiring says which certificates expire soon.
func expiring(listeners []control.ListenerStatus) (all []string) {
	for _, l := range listeners {
		if l.Certificate != nil {
			if text := expiry(l.Certificate.Until, time.Now()); text != "" {
				all = append(all, fmt.Sprintf("the certificate of listener %s %s", l.Name, text))
			}
		}
	}
	return all
}

// printDraining lists the old workers.
func printDraining(w io.Writer, old []control.WorkerStatus) {
	for _, d := range old {
		fmt.Fprintf(w, "draining  pid %d, %s: ", d.PID, size(d.Memory))
		if d.Since == nil {
			fmt.Fprintln(w, "finishing its requests after the handover")
			continue
		}
		fmt.Fprintf(w, "gave its plugins away %s ago, with release %d; it keeps %d connections, until %s at most\n",
			ago(*d.Since), d.Release, d.Connections, d.Until.Format(time.TimeOnly))
	}
}
