package main

import (
	"fmt"
	"io"

	"github.com/sohost/sohost/internal/sinks"
)

// printSinks prints what has become of the rows that plugins emit, and why those that wait do.
func printSinks(w io.Writer, all []sinks.Status) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, s := range all {
		rows = append(rows, []string{s.Name, s.Kind, fmt.Sprint(s.Accepted), fmt.Sprint(s.Stored), fmt.Sprint(s.Refused), size(s.Spooled), s.Target})
	}
	if err := table(w, []string{"SINK", "KIND", "ACCEPTED", "STORED", "REFUSED", "ON DISK", "TARGET"}, rows); err != nil {
		return err
	}
	for _, s := range all {
		switch {
		case !s.Failing.IsZero():
			rows := "Emit returns the error"
			if s.Spooled > 0 {
				rows = "its rows wait on disk"
			}
			fmt.Fprintf(w, "sink %s fails since %s, after %d attempts; %s: %s\n", s.Name, ago(s.Failing), s.Attempts, rows, s.Error)
		case s.Error != "":
			fmt.Fprintf(w, "sink %s: %s\n", s.Name, s.Error)
		}
		if s.Lacking > 0 {
			fmt.Fprintf(w, "sink %s: %d rows were stored without what line protocol can't express, or not at all\n", s.Name, s.Lacking)
		}
	}
	return nil
}
