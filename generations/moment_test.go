package generations

import (
	"testing"
	"time"
)

// TestMoment measures by what nobody sets where it can, and by the time of day across boots.
func TestMoment(t *testing.T) {
	now := Now()
	if now.Uptime.Boot == "" || now.Uptime.Since <= 0 {
		t.Fatalf("now is %+v", now)
	}
	later := now.Add(time.Minute)
	later.Time = later.Time.Add(-24 * time.Hour) // the clock was set back
	if got := later.Sub(now); got != time.Minute {
		t.Errorf("a minute later is %v later", got)
	}
	later.Uptime.Boot = "another"
	if got := later.Sub(now); got != time.Minute-24*time.Hour {
		t.Errorf("in another boot it is %v later", got)
	}
	before := Moment{Time: now.Time.Add(-time.Hour)} // from an earlier version
	if got := now.Sub(before); got != time.Hour || before.Add(time.Second).Uptime != (Uptime{}) {
		t.Errorf("without an uptime it is %v later", got)
	}
}
