package sohost

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
)

// While an image is being tried, from before its code first runs in this process until a release names it or it is refused, a
// file in STORE/trials says so. If the process dies meanwhile, that tells the next one whose fault it probably was: no release
// names the image, or, at a boot, all have to be started one after the other. The file's name is all there is to it. It
// outlives the process; that it may not outlive the machine does no harm.

func (h *Host) trials() string { return filepath.Join(h.opts.Store, "trials") }

func (h *Host) trialFile(s suspect) string {
	return filepath.Join(h.trials(), s.plugin+"@"+s.image.String())
}

// beginTrial is called before a candidate is opened.
func (h *Host) beginTrial(c *candidate) {
	err := os.MkdirAll(h.trials(), 0o700)
	if err == nil {
		err = os.WriteFile(h.trialFile(c.suspect()), nil, 0o600)
	}
	if err != nil {
		h.log.Warn("note what is being tried: should it end the process, something else may be blamed", "plugin", c.plugin.name, "err", err)
	}
}

// endTrials is called when candidates serve or are refused.
func (h *Host) endTrials(candidates []*candidate) {
	for _, c := range candidates {
		os.Remove(h.trialFile(c.suspect())) // most often it is there, and one that stays is gone with the next boot
	}
}

// takeTrials are the trials that the process before has not ended, that which began last first. They are forgotten.
func (h *Host) takeTrials() (tried []suspect) {
	entries, err := os.ReadDir(h.trials())
	if err != nil {
		return nil // there never were any
	}
	began := map[suspect]int64{}
	for _, e := range entries {
		plugin, image, _ := strings.Cut(e.Name(), "@")
		id, err := generations.ParseID(image)
		info, statErr := e.Info()
		if err == nil && statErr == nil {
			s := suspect{plugin, id}
			began[s] = info.ModTime().UnixNano()
			tried = append(tried, s)
		}
		if err := os.Remove(filepath.Join(h.trials(), e.Name())); err != nil {
			h.log.Warn("forget what was being tried", "err", err)
		}
	}
	slices.SortStableFunc(tried, func(a, b suspect) int { return int(began[b] - began[a]) })
	return tried
}

func (c *candidate) suspect() suspect { return suspect{c.plugin.name, c.id} }
