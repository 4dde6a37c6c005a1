package state

import (
	"reflect"
	"time"
)

// Copy makes a deep copy of value, for keeping it while the original goes on changing. It shares with the original what
// stands behind pointers to open files and the like, and what never changes. It refuses what Convert would refuse.
// maxBytes bounds the copy as Options.MaxBytes does.
func Copy(value any, maxBytes int64) (any, Report, error) {
	start := time.Now()
	r := Report{Way: ByConversion}
	t := reflect.TypeOf(value)
	if t == nil {
		return nil, r, nil
	}
	s := shaper{}.of(t)
	steps := fitter{}.fit(s, s, false)
	if _, reasons := steps.changes(); len(reasons) > 0 {
		return nil, r, &Refusal{t, t, reasons}
	}
	m := mover{limit: maxBytes}
	v, err := m.move(steps, value)
	if err != nil {
		return nil, r, err
	}
	r.Entries, r.Bytes, r.Elapsed = m.entries, m.bytes, time.Since(start)
	return v, r, nil
}
