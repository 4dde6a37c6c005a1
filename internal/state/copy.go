package state

import (
	"reflect"
	"time"
)

// Copy makes a deep copy of value, for keeping it while the original goes on changing. It shares with the original what
// stands behind pointers to open files and the like, and what never changes. It refuses what Convert would refuse.
func Copy(value any, o Options) (any, Report, error) {
	start := time.Now()
	r := Report{Way: ByConversion}
	t := reflect.TypeOf(value)
	if t == nil {
		return nil, r, nil
	}
	steps, reasons := copies(t)
	if len(reasons) > 0 {
		return nil, r, &Refusal{t, t, reasons}
	}
	m := mover{}
	v, err := m.move(steps, value)
	if err != nil {
		return nil, r, err
	}
	r.Entries, r.Bytes, r.Elapsed = m.entries, m.bytes, time.Since(start)
	return v, r, nil
}

func copies(t reflect.Type) (*op, []Reason) {
	s := shaper{}.of(t)
	o := fitter{}.fit(s, s, false)
	_, reasons := o.changes()
	return o, reasons
}
