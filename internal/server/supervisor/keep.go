package supervisor

import (
	"fmt"

	"github.com/sohost/sohost/generations"
)

// kept is what is to be kept of a configuration, staged, or why that can't be.
type kept struct {
	staged *generations.Staged
	err    error
}

// stage has what is to be kept of a configuration on disk, but for the names, before that is taken up. A change by command is nowhere
// else: if it can't be kept it is refused, and nothing has changed. The file of any other is there, so that one is taken up all the same.
func (s *Supervisor) stage(next *Configured) (k kept, err error) {
	if next.Keep == nil {
		return k, nil
	}
	if k.staged, k.err = next.Keep(s.folder(KeepFolder)); k.err != nil && next.reading.Amend != nil {
		return k, fmt.Errorf("the change can't be kept in the store: %w\nnothing has changed: mend that, such as by making room on its disk, and give the command again", k.err)
	}
	return k, nil
}

// keepFirst keeps the configuration with which the server has started.
func (s *Supervisor) keepFirst() {
	k, _ := s.stage(&Configured{Keep: s.opts.Keep}) // which refuses only what a command changes
	k.commit(s)
}

// commit keeps a configuration that is taken up. It returns why that can't be, or "".
func (k kept) commit(s *Supervisor) (warning string) {
	if k.err == nil {
		k.err = k.staged.Commit()
	}
	if k.err != nil {
		warning = fmt.Sprintf("the configuration serves, but can't be kept in the store, so that `sohost reload --back` can't go back to it, "+
			"and a restart or the next reload won't have what `sohost plugin` has changed: %v", k.err)
		s.log.Error("keep the configuration", "err", k.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Unkept = warning
	return warning
}

// drop removes what was staged of a configuration that isn't taken up.
func (k kept) drop(s *Supervisor) {
	if err := k.staged.Drop(); err != nil {
		s.log.Warn("remove what was to be kept of a configuration", "err", err)
	}
}
