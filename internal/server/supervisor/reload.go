package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// Configured is a configuration as it was read.
type Configured struct {
	Start    worker.Start
	Settings map[string]string // see Options
	Amended  []control.Amended // by commands, see control.ConfigStatus
	Back     bool              // it is the one from before
	Forget   []string          // see sohost.Configuration

	// Keep is called once the configuration is taken up. It keeps what a later Reread, also after a restart, goes by. Default: nothing
	// is to be kept.
	Keep func() error
}

// Reading says which configuration is to be read. The zero Reading means the file's, with what commands have changed of it.
type Reading struct {
	Store string             // that has what is kept; empty: the one that the configuration names
	Back  bool               // see control.ReloadRequest
	Amend *control.Amendment // see control.ReloadRequest
}

// fixed are the keys of the settings that the supervisor itself has, and has only once.
var fixed = []string{"listen", "store", "control", "metrics", "console", "console_token_file", "hang_timeout", "handover_timeout"}

// late are those of them that the first programs with a Legacy did not have.
var late = []string{"metrics", "console", "console_token_file"}

// fixedListener reports whether a key is that of a listener's socket, or of a listener that there isn't yet.
func fixedListener(key string, now map[string]string) bool {
	rest, is := strings.CutPrefix(key, "listener.")
	if !is {
		return false
	}
	dot := strings.LastIndexByte(rest, '.')
	switch rest[dot+1:] {
	case "address", "mode":
		return true
	}
	_, has := now["listener."+rest[:max(dot, 0)]+".mode"] // each has one
	return !has
}

// Reload reads the configuration again, and has a new worker serve it, all of it or, after an error, nothing. It blocks for as long as a
// handover takes. Settings of which the supervisor itself has the old ones stay as they are until a restart; the result and the
// status name them. With DryRun nothing changes. There is one Reload at a time, so that the configuration which was read last is the one
// that is served in the end.
func (s *Supervisor) Reload(ctx context.Context, r control.ReloadRequest) (*control.ConfigReload, error) {
	if r.Why == "" {
		r.Why = "reload of the configuration"
	}
	if !r.DryRun {
		select {
		case s.reloading <- struct{}{}:
			defer func() { <-s.reloading }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.stopped:
			return nil, control.ErrStopping
		}
	}
	next, err := s.reread(Reading{Store: s.start.Load().Options.Store, Back: r.Back, Amend: r.Amend})
	if err != nil {
		if !r.DryRun && r.Amend == nil {
			s.configFailed(r.Why, err)
		}
		return nil, refusedReading(err)
	}
	now := *s.start.Load()
	now.Listeners = s.served(nil)
	next.Start.Options.Store, next.Start.Listeners = now.Options.Store, s.served(next.Start.Listeners)
	result := &control.ConfigReload{Changes: s.changes(next.Settings), Amended: next.Amended}
	if r.DryRun {
		return result, nil
	}
	if same(&now, &next.Start) && len(next.Forget) == 0 {
		s.configured(&next)
		result.Warning = s.keepConfig(&next)
		return result, nil
	}
	// Whoever asks may leave. The next Reload waits for the answer all the same, which comes at Run's end at the latest.
	result.Handover, err = s.request(context.WithoutCancel(ctx), &request{
		HandoverRequest: control.HandoverRequest{Why: r.Why, LoseState: r.LoseState}, config: &next, done: make(chan answer, 1),
	})
	if err != nil {
		if r.Amend == nil {
			s.configFailed(r.Why, err)
		}
		return nil, err
	}
	result.Warning = s.keepConfig(&next)
	return result, nil
}

// refusedReading returns the error of a configuration that can't be read as a client gets it.
func refusedReading(err error) error {
	code := control.CodeInvalid
	if errors.Is(err, sohost.ErrUnknownPlugin) {
		code = control.CodeUnknownPlugin
	}
	return &control.Failure{Code: code, Message: err.Error()}
}

// keepConfig keeps a configuration that is taken up. It returns why a restart won't have it, or "".
func (s *Supervisor) keepConfig(c *Configured) (warning string) {
	if c.Keep == nil {
		return ""
	}
	if err := c.Keep(); err != nil {
		warning = fmt.Sprintf("the configuration serves, but can't be kept in the store, so that a restart has the one before: %v", err)
		s.log.Error("keep the configuration", "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Unkept = warning
	return warning
}

// same reports whether workers are told the same.
func same(a, b *worker.Start) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// reread reads the configuration.
func (s *Supervisor) reread(which Reading) (Configured, error) {
	if s.opts.Reread == nil {
		return Configured{}, errors.New("this server has no configuration that it could read again")
	}
	return s.opts.Reread(which)
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
	changes := []control.Change{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		was, had := now[key]
		is, has := next[key]
		restart := slices.Contains(fixed, key) || fixedListener(key, now)
		if unknown := now == nil && restart && !slices.Contains(late, key); !unknown && (was != is || had != has) {
			changes = append(changes, control.Change{Key: key, Was: was, Is: is, Restart: restart})
		}
	}
	return changes
}

// configured makes a configuration the one that the next worker gets, too. Settings that need a restart stay what they are, and the
// status says so.
func (s *Supervisor) configured(next *Configured) {
	changes := s.changes(next.Settings)
	s.start.Store(&next.Start)
	s.hooks.Set(next.Start.Hooks, nil)
	defer s.watchPairs()
	s.mu.Lock()
	defer s.mu.Unlock()
	settings := maps.Clone(next.Settings)
	s.config = control.ConfigStatus{Read: time.Now(), Amended: next.Amended, Back: next.Back}
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

// configFailed makes log and status say why the configuration stays what it was.
func (s *Supervisor) configFailed(why string, err error) {
	if errors.Is(err, control.ErrStopping) {
		return
	}
	s.log.Error("the configuration is not taken up; the one before stays", "why", why, "err", err)
	s.happened(generations.KindConfigFailed, err.Error())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Failed = &control.FailedHandover{Time: time.Now(), Why: why, Error: err.Error()}
}
