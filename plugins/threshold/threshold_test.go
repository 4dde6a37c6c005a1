package main

import (
	"testing"

	"github.com/sohost/sohost/plugins/internal/trial"
)

// TestLevels passes limits once and more often, through a reload, within and after the cool-down.
func TestLevels(t *testing.T) {
	args := map[string]string{"conditions": "busy>80-WARN busy>=95-CRITICAL status==down-ERROR", "count": "2", "cooldown": "10m"}
	trial.New(t, &Plugin, args).Run("levels")
}

// TestDeadman has series fall silent and come back.
func TestDeadman(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"deadman": "5m"}).Run("deadman")
}

// TestDeadmanCooldown has a series fall silent for the second time within the cool-down: if it still is after that, there is an alert.
func TestDeadmanCooldown(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"deadman": "5m", "cooldown": "10m"}).Run("cooldown")
}

func TestSettings(t *testing.T) {
	for _, args := range []map[string]string{
		{}, {"conditions": "busy"}, {"conditions": "busy>-WARN"}, {"conditions": ">1-WARN"}, {"conditions": "busy>1-"},
		{"deadman": "-1s"}, {"conditions": "a>1-X", "count": "0"},
	} {
		if _, err := readSettings(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
