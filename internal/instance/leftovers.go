package instance

import (
	"bytes"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

// Costs describes what opened images cost the process at one moment.
type Costs struct {
	Memory map[string]native.Memory // of each opened image, by path; nil if the kernel doesn't report it

	// The other fields are about images that aren't in use.
	Images     int   // how many there are
	Weight     int   // the same, with a full image counted as fullWeight
	Resident   int64 // bytes
	Goroutines int   // that run their code, or calls that were given up: see Measure
}

// Measure determines what all opened images cost. inUse reports whether an instance that is still needed comes from the
// image at that path. A goroutine is counted if its stack has a function that only images not in use have, or if it is
// a call that was given up.
//
// Measure asks the kernel once for the memory of the process, and stops the world for a moment to see all goroutines.
// That takes some milliseconds.
func Measure(inUse func(path string) bool) Costs {
	images := native.Opened()
	opened := make([]openedImage, len(images))
	for i, im := range images {
		opened[i] = openedImage{path: im.Path(), info: im.Info()}
	}
	if memories, err := native.MemoryOf(images...); err == nil {
		for i := range opened {
			opened[i].memory = &memories[i]
		}
	}
	c := costsOf(opened, inUse)
	c.Goroutines = int(abandoned.Load())
	if self, err := native.Self(); err == nil {
		c.Goroutines += goroutinesOf(oldPackages(self.Executable, opened, inUse))
	}
	return c
}

// openedImage is what an opened image costs and consists of.
type openedImage struct {
	path   string
	info   *native.Info
	memory *native.Memory // nil where the kernel doesn't tell
}

// costsOf counts all but the goroutines.
func costsOf(opened []openedImage, inUse func(path string) bool) (c Costs) {
	for _, im := range opened {
		old := !inUse(im.path)
		if old {
			c.Images++
			c.Weight += weight(im.info)
		}
		if im.memory == nil {
			continue
		}
		if c.Memory == nil {
			c.Memory = map[string]native.Memory{}
		}
		c.Memory[im.path] = *im.memory
		if old {
			c.Resident += im.memory.Resident
		}
	}
	return c
}

// fullWeight is how many slim images cost a process as much as a full one. What counts is how long opening the next image takes: beside 128
// slim images of 0.56 MB 31 ms, beside 32 full ones 40 ms. Slim images of 31 KB cost less, but are not counted as less: for them the
// budget is merely strict. Collections of garbage differ as much (2 and 7 ms of CPU), and memory more (docs/facts.md has the table).
const fullWeight = 4

func weight(info *native.Info) int {
	if info != nil && info.Seal != nil && info.Seal.Slim {
		return 1
	}
	return fullWeight
}

// oldPackages returns the packages that only images not in use have.
func oldPackages(program *native.Info, opened []openedImage, inUse func(path string) bool) map[string]bool {
	packages := map[string]bool{}
	for _, im := range opened {
		if !inUse(im.path) {
			for p := range im.info.Packages {
				packages[p] = true
			}
			packages[im.info.PluginPath] = true
		}
	}
	for p := range program.Packages {
		delete(packages, p)
	}
	for _, im := range opened {
		if inUse(im.path) {
			for p := range im.info.Packages {
				delete(packages, p)
			}
		}
	}
	return packages
}

// goroutinesOf counts the goroutines that have a function of one of the packages on their stack.
func goroutinesOf(packages map[string]bool) int {
	var profile bytes.Buffer
	if len(packages) == 0 || pprof.Lookup("goroutine").WriteTo(&profile, 1) != nil {
		return 0
	}
	return countGoroutines(profile.String(), packages)
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
		times, err := strconv.ParseUint(count, 10, 31)
		if err != nil {
			continue
		}
		for line := range strings.Lines(stack) {
			if f := strings.Fields(line); len(f) > 2 && packages[crash.PackageOf(f[2])] {
				n += int(times)
				break
			}
		}
	}
	return n
}
