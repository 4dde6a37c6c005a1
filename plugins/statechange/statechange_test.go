package main

import (
	"testing"

	"github.com/sohost/sohost/plugins/internal/trial"
)

// TestChanges follows fields through reloads, rows that come twice, and changes that can't be stored at first.
func TestChanges(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"fields": "status level"}).Run("changes")
}

// TestFlapping wants a value twice before it counts.
func TestFlapping(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"fields": "status", "count": "2", "into": "flips"}).Run("flapping")
}
