package blame

import (
	"cmp"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
)

// Where says where an image's code runs in a trial.
type Where string

const (
	InProcess Where = ""      // in the process itself
	InProbe   Where = "probe" // in a child behind a wall: hardly ever is it the reason when the process dies
)

// Trials records which images are being tried, as empty files in a directory, named PLUGIN@IMAGE. An image's trial
// begins before its code first runs anywhere, and ends when a release names it or it is refused. At a boot it
// ends as soon as the plugin serves, because the plugins start one after the other. If the process dies in between, the
// file tells the next process which image probably did it.
//
// The files must survive the process, but need not survive a power failure, so they are not synced.
type Trials struct {
	Folder *generations.Folder
	Logger *slog.Logger
}

func trial(s Suspect) string { return s.Plugin + "@" + s.Image.String() }

// Begin records that an image is being tried; again when its code runs elsewhere from now on. A failure to record it is only
// logged.
func (t *Trials) Begin(s Suspect, where Where) {
	if err := t.Folder.Mark(trial(s), string(where)); err != nil {
		t.Logger.Warn("can't note which image is being tried: if it ends the process, another one may be blamed",
			"plugin", s.Plugin, "err", err)
	}
}

// End ends a trial, if there is one. A file that can't be removed is removed by the next Collect.
func (t *Trials) End(s Suspect) { t.Folder.Remove(trial(s)) }

// Collect returns the trials that the last process has not ended, and removes them: first those in the process itself,
// then those in a probe; of each the one that began last first.
func (t *Trials) Collect() (tried []Suspect) {
	entries, err := os.ReadDir(t.Folder.Path(""))
	if err != nil {
		return nil // no trial was ever begun
	}
	began, probed := map[Suspect]int64{}, map[Suspect]int{}
	for _, e := range entries {
		plugin, image, _ := strings.Cut(e.Name(), "@")
		id, err := generations.ParseID(image)
		info, statErr := e.Info()
		s := Suspect{plugin, id}
		if err == nil && statErr == nil && info.Mode().IsRegular() && generations.ValidName(plugin) {
			began[s] = info.ModTime().UnixNano()
			if info.Size() == int64(len(InProbe)) {
				probed[s] = 1
			}
			tried = append(tried, s)
		}
		if err := t.Folder.Remove(e.Name()); err != nil {
			t.Logger.Warn("forget which image was being tried", "err", err)
		}
	}
	slices.SortStableFunc(tried, func(a, b Suspect) int { return cmp.Or(probed[a]-probed[b], cmp.Compare(began[b], began[a])) })
	return tried
}
