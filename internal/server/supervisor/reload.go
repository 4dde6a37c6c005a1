package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
)

// Configured is a configuration as it was read.
type Configured struct {
	Start    worker.Start
	Settings map[string]string // see Options
	Amended  []control.Amended // by commands, see control.ConfigStatus
	Forget   []string          // see sohost.Configuration
	Own      Own

	Keep Keep // is called before the configuration is taken up

	reading Reading  // that it comes from
	opening *opening // undone unless it is taken up
}

// Keep stages what a later Reread, also after a restart, goes by in a folder of the store. Default: nothing is to be kept.
type Keep func(*generations.Folder) (*generations.Staged, error)

// KeepFolder is the name of the folder that a Keep gets.
const KeepFolder = "config"

// Reading says which configuration is to be read. The zero Reading means the file's, with what commands have changed of it.
type Reading struct {
	Store  string             // that has what is kept; empty: the one that the configuration names
	Back   bool               // see control.ReloadRequest
	Served bool               // the text that serves, as it was kept, whatever the file has now
	Amend  *control.Amendment // see control.ReloadRequest
}

// fixed reports whether a setting changes only with a restart: the store, in which this process and all workers have their files, and
// what systemd has opened. Of a listener that it has opened, gone says that the configuration doesn't name it any more.
func (s *Supervisor) fixed(key string, gone func(listener string) bool) bool {
	switch key {
	case "store":
		return true
	case "control":
		return s.own.Load().ControlPath == ""
	}
	for _, on := range s.listening() {
		below, is := strings.CutPrefix(key, "listener."+on.Name+".")
		if on.Stays && (is && (below == "address" || below == "mode" || gone(on.Name)) || on.Name == listener.Plain && key == "listen") {
			return true
		}
	}
	return false
}

// Reload reads the configuration again, and has a new worker serve it, all of it or, after an error, nothing. It blocks for as long as a
// handover takes. Settings of which the supervisor itself has the old ones stay as they are until a restart; the result and the
// status name them. With DryRun nothing changes. There is one Reload at a time, so that the configuration which was read last is the one
// that is served in the end, and a DryRun, which opens addresses to see whether they can be had, takes none away from another.
func (s *Supervisor) Reload(ctx context.Context, r control.ReloadRequest) (*control.ConfigReload, error) {
	if r.Why == "" {
		r.Why = "reload of the configuration"
	}
	if err := s.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer s.endTurn()
	// A command that changes a plugin takes up nothing else.
	next, news, err := s.reread(Reading{Back: r.Back, Served: r.Amend != nil && !r.Back && s.isKept(), Amend: r.Amend})
	if err != nil {
		if !r.DryRun {
			s.configFailed(r.Why, next.reading, err)
		}
		return nil, refusedReading(err)
	}
	result := &control.ConfigReload{Changes: s.changes(next.Settings), Amended: next.Amended}
	result.Opens, result.Closes = next.opening.says()
	switch {
	case r.DryRun:
		next.opening.undo()
	case news:
		asked := &request{HandoverRequest: control.HandoverRequest{Why: r.Why, LoseState: r.LoseState}, done: make(chan answer, 1)}
		result.Handover, result.Warning, err = s.takeUp(ctx, next, asked)
	default:
		result.Warning, err = s.takeUpAlone(ctx, next, r.Why)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// takeTurn waits until nobody else reads the configuration and takes it up. endTurn is to be called then.
func (s *Supervisor) takeTurn(ctx context.Context) error {
	select {
	case s.reloading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.stopped:
		return control.ErrStopping
	}
}

func (s *Supervisor) endTurn() { <-s.reloading }

// takeUp hands over with a configuration that was read, as asked. Whoever asks may leave: whose turn is next waits for the answer all
// the same, which comes at Run's end at the latest. The warning says why the configuration isn't kept.
func (s *Supervisor) takeUp(ctx context.Context, next *Configured, asked *request) (h *sohost.Handover, warning string, err error) {
	kept, err := s.stage(next)
	if err == nil {
		asked.config = next
		if h, err = s.request(context.WithoutCancel(ctx), asked); err != nil {
			kept.drop(s)
		}
	}
	if err != nil {
		next.opening.undo()
		s.configFailed(asked.Why, next.reading, err)
		return nil, "", err
	}
	return h, kept.commit(s), nil
}

// takeUpAlone takes up a configuration of which workers need not be told. If it differs for the supervisor, Run's goroutine does it:
// there may be an upgrade at the same time.
func (s *Supervisor) takeUpAlone(ctx context.Context, next *Configured, why string) (warning string, err error) {
	if !next.opening.differs() {
		kept, err := s.stage(next)
		if err != nil {
			return "", err // nothing was opened
		}
		s.configured(next)
		return kept.commit(s), nil
	}
	_, warning, err = s.takeUp(ctx, next, &request{HandoverRequest: control.HandoverRequest{Why: why}, only: true, done: make(chan answer, 1)})
	return warning, err
}

// refusedReading returns the error of a configuration that can't be read as a client gets it.
func refusedReading(err error) error {
	code := control.CodeInvalid
	if errors.Is(err, sohost.ErrUnknownPlugin) {
		code = control.CodeUnknownPlugin
	}
	return &control.Failure{Code: code, Message: err.Error()}
}

// isKept reports whether the configuration that serves is kept.
func (s *Supervisor) isKept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.Unkept == ""
}

// same reports whether workers are told the same.
func same(a, b *worker.Start) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// reread reads the configuration, and reports whether workers have to be told anything new. After an error next has only its reading.
func (s *Supervisor) reread(which Reading) (next *Configured, news bool, err error) {
	now := *s.start.Load()
	which.Store = now.Options.Store
	if s.opts.Reread == nil {
		return &Configured{reading: which}, false, errors.New("this server has no configuration that it could read again")
	}
	c, err := s.opts.Reread(which)
	if c.reading = which; err != nil {
		return &c, false, err
	}
	now.Listeners = s.served()
	c.Start.Options.Store, c.Start.Listeners = now.Options.Store, s.possible(c.Start.Listeners)
	c.Own = c.Own.orDefault()
	if s.own.Load().ControlPath == "" { // it is somebody else's
		c.Own.ControlPath = ""
	}
	if c.opening, err = s.open(&c); err != nil {
		return &c, false, err
	}
	return &c, !same(&now, &c.Start) || len(c.Forget) > 0, nil
}

// changes returns what differs from the settings that the workers have, ordered by key. A program before this one may have left none:
// then nobody knows how it was started, only that it had no metrics and no console.
func (s *Supervisor) changes(next map[string]string) []control.Change {
	s.mu.Lock()
	now := s.settings
	s.mu.Unlock()
	all := maps.Clone(now)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, next)
	gone := func(name string) bool { _, has := next["listener."+name+".mode"]; return !has } // each has one
	changes := []control.Change{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		was, had := now[key]
		is, has := next[key]
		restart := s.fixed(key, gone)
		if unknown := now == nil && restart; !unknown && (was != is || had != has) {
			changes = append(changes, control.Change{Key: key, Was: was, Is: is, Restart: restart})
		}
	}
	return changes
}

// configured makes a configuration the one that the next worker gets, too. Settings that need a restart stay what they are, and the
// status says so.
func (s *Supervisor) configured(next *Configured) {
	changes := s.changes(next.Settings)
	s.hooks.Set(next.Start.Hooks, nil)
	defer s.watchPairs()
	s.mu.Lock()
	s.start.Store(&next.Start)
	after := next.opening.commitLocked()
	s.mu.Unlock()
	after()
	s.mu.Lock()
	defer s.mu.Unlock()
	settings := maps.Clone(next.Settings)
	before := s.config
	s.config = control.ConfigStatus{Read: time.Now(), Amended: next.Amended, Back: next.reading.Back}
	if next.reading.Served { // the file was not read
		s.config.Read, s.config.Back, s.config.Failed = before.Read, before.Back, before.Failed
	}
	for _, c := range changes {
		if !c.Restart {
			continue
		}
		s.config.Restart = append(s.config.Restart, c)
		if _, had := s.settings[c.Key]; had {
			settings[c.Key] = c.Was
		} else {
			delete(settings, c.Key)
		}
		s.log.Warn("a setting has changed that the server takes up only when it is restarted", "setting", c.Key, "is", c.Was, "file", c.Is)
	}
	s.settings = settings
	s.log.Info("the configuration was read again", "changes", len(changes)-len(s.config.Restart))
	s.happened(generations.KindConfiguration, "")
}

// configFailed makes log and status say why the configuration stays what it was. Of a command that changes a plugin only who gave it
// has to know.
func (s *Supervisor) configFailed(why string, which Reading, err error) {
	if errors.Is(err, control.ErrStopping) || which.Amend != nil {
		return
	}
	s.log.Error("the configuration is not taken up; the one before stays", "why", why, "err", err)
	s.happened(generations.KindConfigFailed, err.Error())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Failed = &control.FailedHandover{Time: time.Now(), Why: why, Error: err.Error()}
}
