package instance

import (
	"context"
	"runtime/pprof"
	"testing"

	"github.com/sohost/sohost/abi"
)

// labelled is a plugin that keeps the labels of its Start.
type labelled struct {
	abi.ScheduleHandler
	plugin, generation string
}

func (l *labelled) Start(ctx context.Context) error {
	l.plugin, _ = pprof.Label(ctx, "plugin")
	l.generation, _ = pprof.Label(ctx, "generation")
	return nil
}

func (l *labelled) Stop(context.Context) error { return nil }

// TestLabels starts a plugin: its work in the background has the labels that profiles show.
func TestLabels(t *testing.T) {
	value := new(labelled)
	in, err := New(limited(t), imageOf(value, nil, abi.Descriptor{}), freshHost{"a"}, nil, nil, notLate(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Start(limited(t)); err != nil {
		t.Fatal(err)
	}
	if host := (freshHost{"a"}); value.plugin != host.Plugin() || value.generation != host.Generation() {
		t.Errorf("Start has the labels %q and %q", value.plugin, value.generation)
	}
}
