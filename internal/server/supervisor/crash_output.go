package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// CrashOutput returns what a worker has left that died, from one of the files that the status names.
func (s *Supervisor) CrashOutput(name string) ([]byte, error) {
	kept, err := keptFiles(s.crashFiles().Path(""))
	if err != nil {
		return nil, err
	}
	file := s.crashFiles().Path(name)
	if name != filepath.Base(name) || !slices.Contains(kept, file) {
		return nil, fmt.Errorf("no worker has left a file %q; the last %d are kept", name, keptCrashes)
	}
	return os.ReadFile(file)
}
