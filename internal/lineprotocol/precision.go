package lineprotocol

import (
	"fmt"
	"math"
	"time"
)

// Precision is the unit of a text's timestamps, or Auto.
type Precision time.Duration

// The precisions.
const (
	Auto        Precision = 0 // of each timestamp, from its magnitude, as InfluxDB 3 does
	Nanosecond            = Precision(time.Nanosecond)
	Microsecond           = Precision(time.Microsecond)
	Millisecond           = Precision(time.Millisecond)
	Second                = Precision(time.Second)
	Minute                = Precision(time.Minute)
	Hour                  = Precision(time.Hour)
)

// The largest timestamps that are taken for seconds, milliseconds and microseconds. Seconds end in the year 2128, and the others do
// so, too.
const (
	autoSeconds = 5_000_000_000
	autoMillis  = autoSeconds * 1000
	autoMicros  = autoMillis * 1000
)

// unit returns how many nanoseconds a timestamp counts.
func (p Precision) unit(n int64) int64 {
	if p != Auto {
		return int64(p)
	}
	if n < 0 {
		n = -max(n, -autoMicros)
	}
	switch {
	case n < autoSeconds:
		return int64(time.Second)
	case n < autoMillis:
		return int64(time.Millisecond)
	case n < autoMicros:
		return int64(time.Microsecond)
	}
	return 1
}

// nano returns a timestamp in nanoseconds.
func (p Precision) nano(n int64) (int64, error) {
	unit := p.unit(n)
	if n > math.MaxInt64/unit || n < math.MinInt64/unit+1 {
		return 0, fmt.Errorf("%w: it is out of range", errTime)
	}
	return n * unit, nil
}

// cut returns a time in nanoseconds, cut to the precision.
func (p Precision) cut(ns int64) int64 {
	if p == Auto {
		return ns
	}
	return ns - ns%int64(p)
}
