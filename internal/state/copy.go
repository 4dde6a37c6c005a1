package state

import (
	"reflect"
	"time"
)

// Copy returns a deep copy of value, which stays as it is while the original changes. The copy shares with the original
// whatever never changes, and what pointers to open files and similar handles refer to. Copy refuses what a conversion
// would refuse. Of the options it uses MaxBytes and Deadline.
func Copy(value any, o Options) (any, Report, error) {
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
	m := mover{limit: o.MaxBytes, clock: clock{until: o.Deadline}}
	v, err := m.move(steps, value)
	if err != nil {
		return nil, r, err
	}
	r.Entries, r.Bytes, r.Elapsed = m.entries, m.bytes, time.Since(start)
	return v, r, nil
}
