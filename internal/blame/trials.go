package blame

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
)

// Trials records which images are being tried, as empty files in a directory, named PLUGIN@IMAGE. An image's trial
// begins before its code first runs in this process, and ends when a release names it or it is refused. At a boot it
// ends as soon as the plugin serves, because the plugins start one after the other. If the process dies in between, the
// file tells the next process which image probably did it.
//
// The files must survive the process, but need not survive a power failure, so they are not synced.
type Trials struct {
	Dir    string
	Logger *slog.Logger
}

func (t *Trials) file(s Suspect) string { return filepath.Join(t.Dir, s.Plugin+"@"+s.Image.String()) }

// Begin records that an image is being tried. A failure to record it is only logged.
func (t *Trials) Begin(s Suspect) {
	err := os.MkdirAll(t.Dir, 0o700)
	if err == nil {
		err = os.WriteFile(t.file(s), nil, 0o600)
	}
	if err != nil {
		t.Logger.Warn("can't note which image is being tried: if it ends the process, another one may be blamed",
			"plugin", s.Plugin, "err", err)
	}
}

// End ends a trial, if there is one. A file that can't be removed is removed by the next Collect.
func (t *Trials) End(s Suspect) { os.Remove(t.file(s)) }

// Collect returns the trials that the last process has not ended, the one that began last first, and removes them.
func (t *Trials) Collect() (tried []Suspect) {
	entries, err := os.ReadDir(t.Dir)
	if err != nil {
		return nil // no trial was ever begun
	}
	began := map[Suspect]int64{}
	for _, e := range entries {
		plugin, image, _ := strings.Cut(e.Name(), "@")
		id, err := generations.ParseID(image)
		info, statErr := e.Info()
		if err == nil && statErr == nil {
			s := Suspect{plugin, id}
			began[s] = info.ModTime().UnixNano()
			tried = append(tried, s)
		}
		if err := os.Remove(filepath.Join(t.Dir, e.Name())); err != nil {
			t.Logger.Warn("forget which image was being tried", "err", err)
		}
	}
	slices.SortStableFunc(tried, func(a, b Suspect) int { return int(began[b] - began[a]) })
	return tried
}
