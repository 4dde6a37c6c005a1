package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// startClients has a program write to the server instead, and takes the sums from what it prints: a line for each table, with the
// number of points, their sum, and how many requests were sent again.
func (j *job) startClients(ctx context.Context, url string) *sender {
	s := &sender{sums: map[string]total{}}
	s.done.Go(func() {
		cmd := exec.CommandContext(ctx, j.clients, url, fmt.Sprint(int(j.lasts/time.Second)))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
		for line := range strings.Lines(string(out)) {
			var table string
			var of total
			var tries int
			if _, err := fmt.Sscan(line, &table, &of.points, &of.sum, &tries); err != nil {
				s.err = fmt.Errorf("the clients print %q: %w", line, err)
			}
			s.sums[table] = of
			s.tries += tries
		}
	})
	return s
}
