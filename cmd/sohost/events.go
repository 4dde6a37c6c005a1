package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

func newEventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what happens in the server, as it happens",
		Long: `Events prints what happens in the server, a line each, until it is interrupted: each reload with its phases, refusals, flips, old
generations that end, handovers, crashes, quarantines, checkpoints, triggers that fail, and changes of the configuration. It goes on
over handovers and crashes, and over upgrades of the server.

The server keeps the latest events, 1 MiB of them. --since prints those first, as far back as a time, an event or the beginning.`,
		Example: `  sohost events
  sohost events --since 10m --plugin counter
  sohost events --json --kind refuse --kind crash    # a line of JSON each; docs/monitoring.md lists the kinds`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	since := f.String("since", "", "begin with what happened in this `time`, such as 10m, after the event with this id, or with all: 0 (default: now)")
	plugins := f.StringArray("plugin", nil, "print only events of this `plugin`; may be repeated")
	kinds := f.StringArray("kind", nil, "print only events of this `kind`; may be repeated")
	n := f.IntP("number", "n", 0, "end after this `number` of events (default: never)")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := &eventReader{to: cmd.OutOrStdout(), json: *asJSON, limit: *n}
		if *n < 0 {
			return usageError{fmt.Errorf("-n %d: want a positive number", *n)}
		}
		if err := r.begin(*since); err != nil {
			return usageError{err}
		}
		if err := knownKinds(*kinds); err != nil {
			return usageError{err}
		}
		client, err := server()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		r.Plugins, r.Kinds = *plugins, *kinds
		return r.read(ctx, client)
	}
	return cmd
}

// knownKinds returns an error if there is a kind that no event has.
func knownKinds(kinds []string) error {
	for _, kind := range kinds {
		if !slices.Contains(generations.Kinds(), generations.Kind(kind)) {
			return fmt.Errorf("kind %q: the kinds are %q", kind, generations.Kinds())
		}
	}
	return nil
}

// eventReader prints events.
type eventReader struct {
	control.EventsRequest
	to    io.Writer
	json  bool
	after time.Time // earlier events are left out
	limit int       // how many are printed; 0: all
	n     int       // that were printed

	stopped bool // the last event was that the server stops
}

// begin says with which event to begin.
func (r *eventReader) begin(since string) error {
	if since == "" || since == "0" {
		r.Since = since
		return nil
	}
	if d, err := time.ParseDuration(since); err == nil && d > 0 {
		r.Since, r.after = "0", time.Now().Add(-d)
		return nil
	}
	if _, number, ok := strings.Cut(since, "-"); ok {
		if _, err := strconv.ParseUint(number, 10, 64); err == nil {
			r.Since = since
			return nil
		}
	}
	return fmt.Errorf("--since %s: want a time such as 10m, the id of an event, or 0", since)
}

// A server that replaces its program answers again within reconnectFor. It is asked every reconnectEvery.
const (
	reconnectFor   = 10 * time.Second
	reconnectEvery = 100 * time.Millisecond
)

var errEnough = errors.New("all events that were asked for are printed")

// read prints events until ctx ends, the limit is reached or the server has stopped, through upgrades of the server.
func (r *eventReader) read(ctx context.Context, client *control.Client) error {
	var lost time.Time // when the last answer ended
	for {
		err := client.Events(ctx, r.EventsRequest, r.print)
		switch {
		case errors.Is(err, errEnough), ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF):
			if r.stopped {
				return nil
			}
			lost = time.Now()
			if r.Since == "" { // what happens until it answers again must not be missed
				r.Since, r.after = "0", lost
			}
		case !isNoServer(err) || lost.IsZero() || time.Since(lost) > reconnectFor:
			return err
		}
		select {
		case <-time.After(reconnectEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *eventReader) print(m control.Message) (err error) {
	r.Since = m.ID
	r.stopped = m.Event != nil && m.Event.Kind == generations.KindStop
	switch e := m.Event; {
	case e != nil && e.Time.Before(r.after):
		return nil
	case r.json:
		_, err = fmt.Fprintf(r.to, "%s\n", m.JSON)
	case e == nil && m.Missed.Restarted:
		_, err = fmt.Fprintln(r.to, "another server was started since")
	case e == nil:
		_, err = fmt.Fprintf(r.to, "%s before this are not kept any more\n", count(int(m.Missed.Missed), "event"))
	default:
		_, err = fmt.Fprintln(r.to, eventLine(terminal.LookOf(r.to), e.Event))
	}
	if err != nil {
		return err
	}
	if m.Event != nil {
		r.n++
	}
	if r.limit > 0 && r.n == r.limit {
		return errEnough
	}
	return nil
}

// kindWidth is how wide the column of kinds is, in which most fit.
const kindWidth = 18

// eventLine returns an event in words.
func eventLine(look terminal.Look, e generations.Event) string {
	words := []string{e.Time.Local().Format("15:04:05.000"), look.Paint(styleOfKind(e.Kind), string(e.Kind)) + strings.Repeat(" ", max(0, kindWidth-len(e.Kind)))}
	if e.Plugin != "" {
		words = append(words, e.Plugin)
	}
	switch {
	case e.Kind == generations.KindPhase:
	case !e.From.IsZero() && !e.To.IsZero():
		words = append(words, e.From.Short()+" → "+e.To.Short())
	case !e.From.IsZero():
		words = append(words, e.From.Short())
	case !e.To.IsZero():
		words = append(words, e.To.Short())
	}
	if e.Release != 0 {
		words = append(words, fmt.Sprintf("release %d", e.Release))
	}
	if e.Detail != "" {
		words = append(words, cut(oneLine(e.Detail), 200))
	}
	if len(e.Phases) > 0 && e.Kind != generations.KindReload {
		var total time.Duration
		for _, d := range e.Phases {
			total += d
		}
		words = append(words, "in "+short(total))
	}
	return strings.TrimRight(strings.Join(words, " "), " ")
}

// styleOfKind returns the style of a kind of event.
func styleOfKind(kind generations.Kind) terminal.Style {
	switch kind {
	case generations.KindRefuse, generations.KindQuarantine, generations.KindLeaveOut, generations.KindCrash, generations.KindCheckpointFailed,
		generations.KindTriggerFailed, generations.KindTriggerDisabled, generations.KindPanic, generations.KindHandoverFailed,
		generations.KindWorkerDied, generations.KindConfigFailed, generations.KindProgramFailed, generations.KindCertFailed,
		generations.KindBuildFailed:
		return terminal.Bad
	case generations.KindRollback, generations.KindLift, generations.KindAbandon, generations.KindDefer, generations.KindCutOff, generations.KindStop:
		return terminal.Notice
	case generations.KindDeploy, generations.KindConfirm, generations.KindFlip, generations.KindWorkerServes, generations.KindProgramConfirmed:
		return terminal.Good
	case generations.KindPhase:
		return terminal.Faint
	}
	return terminal.Plain
}
