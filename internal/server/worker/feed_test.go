package worker

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/sohost/sohost/abi/rows"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/sinks"
	"github.com/sohost/sohost/internal/spool"
)

// TestFeedHasRoom fills the backlog as clients do, when a plugin that emits to others has handled nothing yet. What it emits has room, or
// nothing would ever be handled; but no more than the limit allows.
func TestFeedHasRoom(t *testing.T) {
	w := &worker{log: slog.New(slog.DiscardHandler)}
	w.start.Options.Store = t.TempDir()
	w.start.Writes = &Writes{SpoolLimit: 4000}
	w.start.Sinks = map[string]sinks.Config{"next": {Kind: "plugins", Tables: []string{"r"}}}
	kept, err := w.openBacklog()
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	var b rows.Builder
	b.Row("r").Int("n", 1).AtNano(1)
	text, _ := lineprotocol.Append(nil, b.Tables())
	for err == nil {
		err = kept.Append(backlog.Write{Database: "d", Precision: lineprotocol.Nanosecond, Received: time.Now(), Text: text, Tables: b.Tables()})
	}
	if !errors.Is(err, spool.ErrFull) {
		t.Fatal(err)
	}
	f := &feed{backlog: kept}
	emit := func() error {
		wanted, err := f.take(sinks.Fed{Database: "d", Tables: b.Tables(), Rows: 1, Text: text, Received: time.Now()})
		if wanted != (err == nil) {
			t.Errorf("wanted %v, %v", wanted, err)
		}
		return err
	}
	taken := 0
	for err = emit(); err == nil; err = emit() {
		taken++
	}
	if !errors.Is(err, sinks.ErrFull) || taken < 5 {
		t.Errorf("%d were taken of what a plugin emits, then %v", taken, err)
	}
	if s := kept.Status(); s.Bytes > s.Limit {
		t.Errorf("%d bytes are on disk, the limit is %d", s.Bytes, s.Limit)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if err := emit(); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("after a handover: %v", err)
	}
}
