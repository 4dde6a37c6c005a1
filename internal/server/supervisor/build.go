package supervisor

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

const (
	// mostBuilds is how many failed builds the status shows, each the last one of a plugin.
	mostBuilds = 100

	// mostMessages is how many of a compiler's messages it shows of each.
	mostMessages = 50
)

// NoteBuild has the status show a build that has failed, until one of the same plugin succeeds.
func (s *Supervisor) NoteBuild(r control.BuildReport) {
	r.Messages = r.Messages[:min(len(r.Messages), mostMessages)]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.failedBuilds, r.Plugin)
	if r.Error != "" && len(s.failedBuilds) < mostBuilds {
		s.failedBuilds[r.Plugin] = control.FailedBuild{BuildReport: r, Time: time.Now()}
	}
}

// failedBuildsLocked is called with s.mu held.
func (s *Supervisor) failedBuildsLocked() []control.FailedBuild {
	return slices.SortedFunc(maps.Values(s.failedBuilds), func(a, b control.FailedBuild) int { return cmp.Compare(a.Plugin, b.Plugin) })
}
