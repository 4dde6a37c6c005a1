package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
)

// pairs are the certificates that are in their files now. The supervisor reads them, and not the workers: one that boots while the
// files are broken gets the last good ones.
type pairs struct {
	watching sync.Mutex     // guards watcher; before Supervisor.mu
	watcher  *certs.Watcher // nil without certificates

	// Supervisor.mu guards these.
	good    map[certs.Files]certs.Pair           // what was read since the configuration was
	bad     map[certs.Files]control.FailedReread // why what is in the files isn't taken up
	changed chan struct{}                        // closed and replaced with good
}

// watchPairs has certificates read again when their files change; if another configuration was watched for, no more for that.
func (s *Supervisor) watchPairs() {
	s.pairs.watching.Lock()
	defer s.pairs.watching.Unlock()
	s.pairs.end()
	files := map[string]certs.Files{}
	for _, l := range s.start.Load().Listeners {
		if l.Pair == nil {
			continue
		}
		files[l.Name] = l.Files
		if until := l.Pair.Until(); time.Now().After(until) {
			s.log.Warn("the certificate has expired", "listener", l.Name, "file", l.Files.Certificate, "on", until)
		}
	}
	s.mu.Lock()
	forget := func(f certs.Files) bool { return !slices.Contains(slices.Collect(maps.Values(files)), f) }
	maps.DeleteFunc(s.pairs.good, func(f certs.Files, _ certs.Pair) bool { return forget(f) })
	maps.DeleteFunc(s.pairs.bad, func(f certs.Files, _ control.FailedReread) bool { return forget(f) })
	s.mu.Unlock()
	if len(files) == 0 {
		return
	}
	w, err := certs.Watch(files, s.log, s.pairChanged)
	if err != nil {
		s.log.Error("certificates are not read again when their files change", "err", err)
		return
	}
	s.pairs.watcher = w
}

func (s *Supervisor) endPairs() {
	s.pairs.watching.Lock()
	defer s.pairs.watching.Unlock()
	s.pairs.end()
}

// end ends the watch, while watching is held.
func (p *pairs) end() {
	if p.watcher != nil {
		p.watcher.Close()
		p.watcher = nil
	}
}

// pairChanged takes up what is in the files of a certificate, unless that is broken.
func (s *Supervisor) pairChanged(name string, f certs.Files, p certs.Pair, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.pairs.bad[f] = control.FailedReread{Time: time.Now(), Error: err.Error()}
		s.log.Error("the certificate is not taken up; the one before serves on", "listener", name, "err", err)
		s.happened(generations.KindCertFailed, fmt.Sprintf("listener %s: %v", name, err))
		return
	}
	delete(s.pairs.bad, f)
	for _, l := range s.servedLocked() {
		if l.Files == f && !l.Pair.Equal(p) {
			s.pairs.good[f] = p
			s.log.Info("the certificate was read again", "listener", name, "until", p.Until())
			s.happened(generations.KindCertificate, fmt.Sprintf("listener %s, until %s", name, p.Until().UTC().Format(time.DateOnly)))
			close(s.pairs.changed)
			s.pairs.changed = make(chan struct{})
			return
		}
	}
}

// keepPairs tells a worker of certificates that have changed since it was started, until it is gone.
func (s *Supervisor) keepPairs(p *process) {
	told := p.listeners
	for {
		s.mu.Lock()
		now, changed := s.servedLocked(), s.pairs.changed
		s.mu.Unlock()
		for _, l := range now {
			i := slices.IndexFunc(told, func(was listener.Settings) bool { return was.Name == l.Name })
			if l.Pair == nil || i >= 0 && told[i].Pair != nil && told[i].Pair.Equal(*l.Pair) {
				continue
			}
			p.link.Send(worker.Order{Pair: &worker.NewPair{Listener: l.Name, Pair: *l.Pair}}) // fails only when the worker is gone
		}
		told = now
		select {
		case <-changed:
		case <-p.silent:
			return
		}
	}
}
