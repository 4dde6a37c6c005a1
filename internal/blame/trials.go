package blame

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
)

// Trials notes which images are being tried, by empty files in a directory whose names say it all: PLUGIN@IMAGE. An image is on trial
// from before its code first runs in this process until a release names it or it is refused; at a boot, until it serves, since all
// have to be started one after the other. If the process dies meanwhile the file tells the next one whose fault it probably was.
//
// A file outlives the process. That it may not outlive the machine does no harm.
type Trials struct {
	Dir    string
	Logger *slog.Logger
}

func (t *Trials) file(s Suspect) string { return filepath.Join(t.Dir, s.Plugin+"@"+s.Image.String()) }

// Begin notes that an image is being tried. That it can't be noted is only logged.
func (t *Trials) Begin(s Suspect) {
	err := os.MkdirAll(t.Dir, 0o700)
	if err == nil {
		err = os.WriteFile(t.file(s), nil, 0o600)
	}
	if err != nil {
		t.Logger.Warn("can't note which image is being tried: if it ends the process, another one may be blamed", "plugin", s.Plugin, "err", err)
	}
}

// End forgets a trial, if there is one. A file that can't be removed goes with the next Collect.
func (t *Trials) End(s Suspect) { os.Remove(t.file(s)) }

// Collect returns the trials that the process before has not ended, the one that began last first, and forgets them.
func (t *Trials) Collect() (tried []Suspect) {
	entries, err := os.ReadDir(t.Dir)
	if err != nil {
		return nil // there never were any
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
