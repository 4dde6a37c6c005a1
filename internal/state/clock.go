package state

import (
	"math"
	"time"
)

// clock ends a walk through a value at a deadline. Asking for the time takes as long as copying an entry, so the clock looks
// once in many steps.
type clock struct {
	until time.Time // zero: no deadline
	steps int       // since the last look
}

// stepsPerLook is how many steps are made between two looks at the time, some microseconds apart.
const stepsPerLook = 128

// late counts a step, and reports whether the deadline has passed.
func (c *clock) late() bool {
	if c.steps++; c.steps < stepsPerLook {
		return false
	}
	return c.lateNow()
}

func (c *clock) lateNow() bool {
	c.steps = 0
	return !c.until.IsZero() && !time.Now().Before(c.until)
}

// bytesPerSecond is more than any machine copies. What can't be copied before the deadline anyway isn't begun.
const bytesPerSecond = 32 << 30

// hopeless reports whether so many bytes can't be filled before the deadline.
func (c *clock) hopeless(bytes int64) bool {
	return !c.until.IsZero() && bytes > pieceBytes && time.Until(c.until) < time.Duration(bytes)*time.Second/bytesPerSecond
}

// entriesPerSecond is more map entries than any machine copies.
const entriesPerSecond = 20_000_000

// hopelessMap is hopeless for the entries of a map.
func (c *clock) hopelessMap(entries int) bool {
	return !c.until.IsZero() && entries > 10_000 && time.Until(c.until) < time.Duration(entries)*time.Second/entriesPerSecond
}

// pieceBytes is how many bytes are copied, or allocated without a question, between two looks at the time.
const pieceBytes = 1 << 20

// passed counts bytes that were passed over, so that many of them count as steps.
func (c *clock) passed(bytes uintptr) { c.steps += int(bytes >> 8) }

// clearedPerSecond is how many bytes of memory any machine allocates and clears, whose pages it may have to ask the kernel for.
const clearedPerSecond = 1 << 30

// piece returns how many bytes may be allocated at once. Nothing can interrupt that, so it may take half of the time left.
func (c *clock) piece() int64 {
	if c.until.IsZero() {
		return math.MaxInt64
	}
	return max(pieceBytes, int64(time.Until(c.until).Seconds()/2*clearedPerSecond))
}
