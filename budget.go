package sohost

import (
	"fmt"
	"time"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/instance"
)

// Budget limits what old generations may leave behind in a process. Go can't unload code, so when a limit is exceeded
// the host asks for a handover (Process.Handover). A field that is zero has its default; a negative one is no limit.
type Budget struct {
	// Generations is the number of images that may stay open though no plugin uses them any more. Each of them makes
	// opening the next one, stack traces and garbage collections slower, a full one as much as four slim ones and so it is counted.
	// Default: 128.
	Generations int `json:"generations"`

	// Memory is how many bytes those images may keep resident, after the host has returned what it can to the kernel.
	// Default: 256 MiB.
	Memory int64 `json:"memory"`

	// Goroutines is how many goroutines may remain that run code which only old generations have, or are calls into
	// plugins that the host has given up. Default: 1000.
	Goroutines int `json:"goroutines"`

	// Files is how much of its limit of open files, in percent, the process may have open, not counting the connections of
	// Process.Connections. A process that has more open from its beginning is left alone. Default: 75.
	Files int `json:"files"`
}

func (b Budget) withDefaults() Budget {
	setDefault(&b.Generations, 128)
	setDefault(&b.Memory, 256<<20)
	setDefault(&b.Goroutines, 1000)
	setDefault(&b.Files, 75)
	return b
}

// Leftovers describes what old generations have left behind in the process; see Budget.
type Leftovers struct {
	Generations int   `json:"generations"` // open images that no plugin uses any more
	Memory      int64 `json:"memory"`      // resident bytes
	Goroutines  int   `json:"goroutines"`  // that run those images' code, or were given up
	Weight      int   `json:"weight"`      // the images again, with a full one counted as four
}

func leftoversOf(c instance.Costs) Leftovers {
	return Leftovers{Generations: c.Images, Weight: c.Weight, Memory: c.Resident, Goroutines: c.Goroutines}
}

// spentBy describes the first limit that left exceeds, and returns "" if there is none.
func (b Budget) spentBy(left Leftovers) string {
	for _, bound := range []struct {
		has, may int64
		what     string
	}{
		{int64(max(left.Generations, left.Weight)), int64(b.Generations), left.generations()},
		{left.Memory, b.Memory, "bytes of old generations' memory"},
		{int64(left.Goroutines), int64(b.Goroutines), "goroutines of old generations"},
	} {
		if bound.may >= 0 && bound.has > bound.may {
			return fmt.Sprintf("%d %s, the budget is %d", bound.has, bound.what, bound.may)
		}
	}
	return ""
}

// generations describes what is counted.
func (l Leftovers) generations() string {
	if l.Weight > l.Generations {
		return "old generations, a full image counted as four"
	}
	return "old generations"
}

// filesDue returns why a process with that many open files should be replaced, and "" if it need not be.
func (b Budget) filesDue(u files.Usage, connections int) string {
	if open := u.Open - connections; b.Files >= 0 && u.Limit > 0 && open*100 > u.Limit*b.Files {
		return fmt.Sprintf("%d open files besides %d connections, the limit is %d and the budget %d %% of it", open, connections, u.Limit, b.Files)
	}
	return ""
}

// filesDue is Budget.filesDue for this process now.
func (h *Host) filesDue() string {
	connections := 0
	if count := h.opts.Process.Connections; count != nil {
		connections = count()
	}
	return h.opts.Budget.filesDue(files.Of(0), connections)
}

// filesInterval is how often the open files are counted.
const filesInterval = 10 * time.Second

// handoverDue returns why the plugins should move to another process, and "" if there is no reason to. It measures: see
// instance.Measure for what that costs.
func (h *Host) handoverDue() string {
	if why := h.opts.Budget.spentBy(leftoversOf(h.loader.Measure(h.inUse()))); why != "" {
		return why
	}
	if err := h.loader.Poisoned(); err != nil {
		return brief(err.Error())
	}
	if why := h.tainted.Load(); why != nil {
		return *why
	}
	return ""
}

// handoverPause is how long the host waits after a handover that failed before it asks for another.
const handoverPause = time.Minute

// HandoverDue describes a handover that is due and could not be made.
type HandoverDue struct {
	Why    string    `json:"why"`
	Reason string    `json:"reason"` // why it could not be made
	Since  time.Time `json:"since"`
}

// noteDue records for Status that a handover is due and could not be made because of err. It reports whether that is news.
func (h *Host) noteDue(why string, err error) bool {
	if err == nil {
		h.due.Store(nil)
		return false
	}
	reason := err.Error()
	if unwritable := h.unwritable(); unwritable != nil { // the supervisor, which reports it back, has added to it
		reason = unwritable.Error()
	}
	due := h.due.Load()
	if due != nil && due.Reason == reason {
		h.due.Store(&HandoverDue{why, reason, due.Since})
		return false
	}
	h.due.Store(&HandoverDue{why, reason, time.Now()})
	return true
}

// watchBudget checks after each retirement whether a handover is due, and asks for one if so. It measures only then,
// because that stops the world. Open files it counts regularly.
func (h *Host) watchBudget() {
	if h.opts.Process.Handover == nil {
		return
	}
	first := h.filesDue() // now: what the plugins need from the beginning, they need in a new process, too
	if first != "" {
		h.log.Warn("many files are open: raise the limit (ulimit -n, LimitNOFILE)", "why", first)
	}
	h.tasks.Go(func() {
		var count <-chan time.Time // nil if files are not counted
		if first == "" {
			ticker := time.NewTicker(filesInterval)
			defer ticker.Stop()
			count = ticker.C
		}
		var notBefore time.Time
		for {
			retired := false
			select {
			case <-h.retired:
				retired = true
			case <-count:
			case <-h.lifetime.Done():
				return
			}
			if time.Now().Before(notBefore) {
				continue
			}
			why := ""
			if retired {
				why = h.handoverDue()
			}
			if why == "" && count != nil {
				why = h.filesDue()
			}
			if h.Serving() != nil { // perhaps for a while: both channels were ready
				return
			}
			switch {
			case why != "":
				notBefore = h.askFor(why)
			case retired:
				h.due.Store(nil)
			}
		}
	})
}

// askFor asks for a handover that is due, unless it is known to fail or has to wait. It returns when the next one may be asked for.
func (h *Host) askFor(why string) (notBefore time.Time) {
	err := h.unwritable() // known from the last attempt: the outcome would be the same
	if err == nil {
		var wait time.Duration
		if wait, err = h.keptInMemory(); err != nil {
			time.AfterFunc(wait, h.retired.up)
		}
	}
	if err == nil {
		// If the reason for its failure is a state that can't be written, the next is due when that can, which
		// noteVerdict tells.
		if err = h.opts.Process.Handover(h.lifetime, why); err != nil && h.unwritable() == nil {
			notBefore = time.Now().Add(handoverPause)
		}
	}
	if h.lifetime.Err() == nil && h.noteDue(why, err) {
		h.log.Warn("a handover is due and could not be made", "why", why, "err", err)
	}
	return notBefore
}
