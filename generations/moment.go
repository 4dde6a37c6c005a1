package generations

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Uptime is how long after a boot of the machine something was. Unlike a time of day it stays right when the clock is set; but it can
// only be compared with another one of the same boot. The zero Uptime is unknown.
type Uptime struct {
	Boot  string        `json:"boot"` // the beginning of the kernel's name for it
	Since time.Duration `json:"since_ns"`
}

// Moment is when something was, by both clocks.
type Moment struct {
	Time   time.Time
	Uptime Uptime
}

var boot = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	name, _, _ := strings.Cut(string(id), "-")
	return name
})

// Now returns the present moment. Its Uptime is unknown where the kernel doesn't name the boot.
func Now() Moment {
	m := Moment{Time: time.Now()}
	var t unix.Timespec
	if boot() != "" && unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) == nil {
		m.Uptime = Uptime{Boot: boot(), Since: time.Duration(t.Nano())}
	}
	return m
}

// Sub returns how long m is after other: by their Uptimes if they are of one boot, and otherwise by the time of day.
func (m Moment) Sub(other Moment) time.Duration {
	if m.Uptime.Boot != "" && m.Uptime.Boot == other.Uptime.Boot {
		return m.Uptime.Since - other.Uptime.Since
	}
	return m.Time.Sub(other.Time)
}

// Add returns the moment d after m.
func (m Moment) Add(d time.Duration) Moment {
	m.Time = m.Time.Add(d)
	if m.Uptime.Boot != "" {
		m.Uptime.Since += d
	}
	return m
}
