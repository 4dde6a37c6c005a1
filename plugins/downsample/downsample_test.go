package main

import (
	"testing"

	"github.com/sohost/sohost/plugins/internal/trial"
)

// TestWindows counts through reloads, rows that come twice or late, and windows that can't be stored.
func TestWindows(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"window": "1m", "late": "2m", "calculations": "sum count avg min max first last"}).Run("windows")
}

// TestFields takes some fields only.
func TestFields(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"fields": "user idle", "suffix": "_small"}).Run("fields")
}

func TestSettings(t *testing.T) {
	for _, args := range []map[string]string{{"window": "0s"}, {"window": "x"}, {"late": "-1s"}, {"calculations": "avg median"}} {
		if _, err := readSettings(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	if s, err := readSettings(map[string]string{"window": "2h"}); err != nil || s.suffix != "_2h" {
		t.Errorf("%+v, %v", s, err)
	}
}
