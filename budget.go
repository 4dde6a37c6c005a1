package sohost

import (
	"bytes"
	"fmt"
	"maps"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

// Budget bounds what old generations may leave behind in a process. Go gives none of it back, so when one of the bounds is
// passed the host asks for a handover to a fresh process (Options.Fresh). The zero value of each field stands for its
// default; negative: no bound.
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
	Goroutines  int   `json:"goroutines"` // running their code, or given up
}

// leftovers counts. It asks the kernel, and stops the world for a moment.
func (h *Host) leftovers() Leftovers {
	var old []*native.Image
	for _, image := range native.Opened() {
		if !h.inUse(image) {
			old = append(old, image)
		}
	}
	left := Leftovers{Generations: len(old), Goroutines: int(abandoned.Load()) + h.strayGoroutines(old)}
	memories, err := native.MemoryOf(old...)
	if err != nil {
		return left // zero where the kernel doesn't tell
	}
	for _, m := range memories {
		left.Memory += m.Resident
	}
	return left
}

// strayGoroutines counts the goroutines that run code which only old images have.
func (h *Host) strayGoroutines(old []*native.Image) int {
	packages := map[string]bool{}
	for _, image := range old {
		for p := range image.Info().Packages {
			packages[p] = true
		}
		packages[image.Info().PluginPath] = true
	}
	self, err := native.Self()
	if err != nil || len(packages) == 0 {
		return 0
	}
	maps.DeleteFunc(packages, func(p string, _ bool) bool { _, has := self.Executable.Packages[p]; return has })
	for _, image := range native.Opened() {
		if !slices.Contains(old, image) {
			for p := range image.Info().Packages {
				delete(packages, p)
			}
		}
	}
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return 0
	}
	return countGoroutines(profile.String(), packages)
}

// countGoroutines counts those of a profile (runtime/pprof, in the form for people) that have a function of the packages on
// their stack. A record begins with "COUNT @", and each function stands in a line "#	PC	FUNCTION+OFFSET	FILE".
func countGoroutines(profile string, packages map[string]bool) (n int) {
	for record := range strings.SplitSeq(profile, "\n\n") {
		head, stack, _ := strings.Cut(strings.TrimLeft(record, "\n"), "\n")
		if strings.HasPrefix(head, "goroutine profile") { // the first record follows the title
			head, stack, _ = strings.Cut(stack, "\n")
		}
		count, _, _ := strings.Cut(head, " @")
		times, err := strconv.Atoi(count)
		if err != nil {
			continue
		}
		for line := range strings.Lines(stack) {
			if f := strings.Fields(line); len(f) > 2 && packages[crash.PackageOf(f[2])] {
				n += times
				break
			}
		}
	}
	return n
}

// spent says which bound of the budget is passed; empty if none.
func (h *Host) spent() string {
	left, budget := h.leftovers(), h.opts.Budget
	for _, bound := range []struct {
		has, may int64
		what     string
	}{
		{int64(left.Generations), int64(budget.Generations), "old generations"},
		{left.Memory, budget.Memory, "bytes of old generations' memory"},
		{int64(left.Goroutines), int64(budget.Goroutines), "goroutines of old generations"},
	} {
		if bound.may >= 0 && bound.has > bound.may {
			return fmt.Sprintf("%d %s, the budget is %d", bound.has, bound.what, bound.may)
		}
	}
	return ""
}

// asking keeps the host from asking for a fresh process twice at a time, and again right after it was told no.
type asking struct {
	mu      sync.Mutex
	now     bool
	notTill time.Time
}

func (a *asking) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now || time.Now().Before(a.notTill) {
		return false
	}
	a.now = true
	return true
}

func (a *asking) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = false
	if err != nil {
		a.notTill = time.Now().Add(time.Minute)
	}
}

// watchBudget asks for a fresh process if the budget is spent. It doesn't block.
func (h *Host) watchBudget() {
	if h.opts.Fresh == nil || h.lifetime.Err() != nil {
		return
	}
	why := h.spent()
	if why == "" {
		if err := native.Poisoned(); err != nil {
			why = brief(err.Error())
		}
	}
	if why == "" || !h.asking.begin() {
		return
	}
	h.tasks.Go(func() {
		err := h.opts.Fresh(h.lifetime, why)
		h.asking.end(err)
		if err != nil && h.lifetime.Err() == nil {
			h.log.Warn("a fresh process is due, and could not be had", "why", why, "err", err)
		}
	})
}
