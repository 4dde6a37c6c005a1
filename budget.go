package sohost

import (
	"fmt"
	"time"

	"github.com/sohost/sohost/internal/instance"
)

// Budget bounds what old generations may leave behind in a process. Go gives none of it back, so when one of the bounds is
// passed the host asks for a handover (Process.Handover). The zero value of each field stands for its default; negative: no
// bound.
type Budget struct {
	// Generations is how many images that no plugin uses any more stay open. With each the next one takes longer to open,
	// and so do stack traces and garbage collections. Default: 32.
	Generations int

	// Memory is how many bytes those images may keep resident, cooled as they are. Default: 256 MiB.
	Memory int64

	// Goroutines is how many goroutines may be left that run code of old generations only, or calls that the host has given
	// up. Default: 1000.
	Goroutines int
}

func (b Budget) withDefaults() Budget {
	setDefault(&b.Generations, 32)
	setDefault(&b.Memory, 256<<20)
	setDefault(&b.Goroutines, 1000)
	return b
}

// Leftovers are what old generations have left behind in the process.
type Leftovers struct {
	Generations int   `json:"generations"`
	Memory      int64 `json:"memory"`     // resident bytes
	Goroutines  int   `json:"goroutines"` // that run their code, or were given up
}

func leftoversOf(c instance.Costs) Leftovers {
	return Leftovers{Generations: c.Images, Memory: c.Resident, Goroutines: c.Goroutines}
}

// spentBy says which bound is passed; empty if none.
func (b Budget) spentBy(left Leftovers) string {
	for _, bound := range []struct {
		has, may int64
		what     string
	}{
		{int64(left.Generations), int64(b.Generations), "old generations"},
		{left.Memory, b.Memory, "bytes of old generations' memory"},
		{int64(left.Goroutines), int64(b.Goroutines), "goroutines of old generations"},
	} {
		if bound.may >= 0 && bound.has > bound.may {
			return fmt.Sprintf("%d %s, the budget is %d", bound.has, bound.what, bound.may)
		}
	}
	return ""
}

// handoverDue says why the plugins should move to another process; empty if there is no reason.
func (h *Host) handoverDue() string {
	if why := h.opts.Budget.spentBy(leftoversOf(h.loader.Measure(h.inUse))); why != "" {
		return why
	}
	if err := h.loader.Poisoned(); err != nil {
		return brief(err.Error())
	}
	return ""
}

// handoverPause is how long the host doesn't ask for a handover after it was told no.
const handoverPause = time.Minute

// watchBudget looks after each retirement whether a handover is due, and asks for one.
func (h *Host) watchBudget() {
	if h.opts.Process.Handover == nil {
		return
	}
	h.tasks.Go(func() {
		var notBefore time.Time
		for {
			select {
			case <-h.retired:
			case <-h.lifetime.Done():
				return
			}
			if time.Now().Before(notBefore) {
				continue
			}
			why := h.handoverDue()
			if h.Serving() != nil { // perhaps for a while: both channels were ready
				return
			}
			if why == "" {
				continue
			}
			if err := h.opts.Process.Handover(h.lifetime, why); err != nil && h.lifetime.Err() == nil {
				notBefore = time.Now().Add(handoverPause)
				h.log.Warn("a handover is due and could not be made", "why", why, "err", err)
			}
		}
	})
}
