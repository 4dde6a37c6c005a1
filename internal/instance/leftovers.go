package instance

import (
	"bytes"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

// Costs is what opened images cost the process at one moment.
type Costs struct {
	Memory map[string]native.Memory // of each opened image, by its path; nil where the kernel doesn't tell

	// The rest is about images that aren't in use.
	Images     int
	Resident   int64 // bytes
	Goroutines int   // that run their code, or were given up: see Measure
}

// Measure counts what all opened images cost. inUse reports whether an instance that is still needed comes from the image with
// that path. Goroutines are those that have a function on their stack which only images not in use have, and those of calls
// that were given up.
//
// It asks the kernel for the memory of the process, once, and stops the world for a moment to see all goroutines.
func Measure(inUse func(path string) bool) Costs {
	opened := native.Opened()
	var old []*native.Image
	for _, im := range opened {
		if !inUse(im.Path()) {
			old = append(old, im)
		}
	}
	c := Costs{Images: len(old), Goroutines: int(abandoned.Load()) + strayGoroutines(opened, inUse)}
	memories, err := native.MemoryOf(opened...)
	if err != nil {
		return c
	}
	c.Memory = make(map[string]native.Memory, len(opened))
	for i, im := range opened {
		c.Memory[im.Path()] = memories[i]
		if !inUse(im.Path()) {
			c.Resident += memories[i].Resident
		}
	}
	return c
}

// strayGoroutines counts the goroutines that run code which only images not in use have.
func strayGoroutines(opened []*native.Image, inUse func(path string) bool) int {
	self, err := native.Self()
	if err != nil {
		return 0
	}
	var profile bytes.Buffer
	packages := ownPackages(self.Executable, opened, inUse)
	if len(packages) == 0 || pprof.Lookup("goroutine").WriteTo(&profile, 1) != nil {
		return 0
	}
	return countGoroutines(profile.String(), packages)
}

// ownPackages returns the packages that only images not in use have.
func ownPackages(program *native.Info, opened []*native.Image, inUse func(path string) bool) map[string]bool {
	packages := map[string]bool{}
	for _, im := range opened {
		if !inUse(im.Path()) {
			for p := range im.Info().Packages {
				packages[p] = true
			}
			packages[im.Info().PluginPath] = true
		}
	}
	for p := range program.Packages {
		delete(packages, p)
	}
	for _, im := range opened {
		if inUse(im.Path()) {
			for p := range im.Info().Packages {
				delete(packages, p)
			}
		}
	}
	return packages
}

// countGoroutines counts those of a profile (runtime/pprof, in the form for people) that have a function of the packages on
// their stack. A record begins with "COUNT @", and each function has a line "#	PC	FUNCTION+OFFSET	FILE".
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
