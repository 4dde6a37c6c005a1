package supervisor

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/server/spans"
)

// lastSpans is how long the end of the server waits until the collector has taken the last spans.
const lastSpans = 3 * time.Second

// spanning makes spans of events, and sends them. The environment may ask for something that can't be had: then status.Error says so, and
// nothing else is set.
type spanning struct {
	maker    *spans.Maker
	exporter *otlp.Exporter
	status   otlp.Status
}

// unsent is what a spanning leaves.
type unsent struct {
	Maker  *spans.Saved `json:"maker"`
	Queue  [][]byte     `json:"queue,omitempty"`
	Status otlp.Status  `json:"status"`
}

// beginSpans begins to send spans if the environment asks for some. left is of the spanning before; nil: there was none.
func (s *Supervisor) beginSpans(left *unsent) {
	settings, err := otlp.FromEnv(os.Getenv)
	if settings == nil && err == nil {
		return
	}
	var exporter *otlp.Exporter
	if err == nil {
		exporter, err = otlp.NewExporter(settings, self.Version(), s.log)
	}
	if err != nil {
		s.log.Error("there will be no spans", "err", err)
		s.spanning.Store(&spanning{status: otlp.Status{Error: err.Error(), ErrorTime: time.Now()}})
		return
	}
	var from *spans.Saved
	if left != nil {
		exporter.Restore(left.Queue, left.Status)
		from = left.Maker
	}
	s.spanning.Store(&spanning{maker: spans.NewMaker(s.events, settings.Sampler, exporter.Add, from), exporter: exporter})
	s.log.Info("spans", "endpoint", exporter.Status().Endpoint)
}

// endSpans ends what beginSpans has begun, after so long at most, and returns what is left.
func (s *Supervisor) endSpans(patience time.Duration) *unsent {
	now := s.spanning.Swap(nil)
	if now == nil || now.maker == nil {
		return nil
	}
	left := &unsent{Maker: now.maker.Close()}
	left.Queue = now.exporter.Close(patience)
	left.Status = now.exporter.Status()
	return left
}

// loseSpans ends all spans with the server.
func (s *Supervisor) loseSpans() {
	if left := s.endSpans(lastSpans); left != nil && len(left.Queue) > 0 {
		s.log.Warn("spans are lost: the collector didn't take them in time", "spans", len(left.Queue), "why", cmp.Or(left.Status.Error, fmt.Sprintf("no answer within %v", lastSpans)))
	}
}

// reportSpan tells of a handover before its event does.
func (s *Supervisor) reportSpan(h *sohost.Handover) {
	if now := s.spanning.Load(); now != nil && now.maker != nil {
		now.maker.Report(h)
	}
}

// spanStatus says where spans go; nil: nowhere.
func (s *Supervisor) spanStatus() *otlp.Status {
	now := s.spanning.Load()
	switch {
	case now == nil:
		return nil
	case now.exporter == nil:
		return &now.status
	}
	status := now.exporter.Status()
	return &status
}
