package state

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
)

// Describe returns a description of a type for CompareDescribed, in another process that doesn't have the type. It is nil if
// values of the type can't be written to a stream.
func Describe(t reflect.Type) []byte {
	if t == nil || Encodable(t) != nil {
		return nil
	}
	var b bytes.Buffer
	e := &encoder{writer: newWriter(&b), shaper: shaper{}, numbers: map[*shape]int{}, memory: math.MaxInt64}
	e.describe(e.shaper.of(t))
	e.sum() // a buffer takes everything
	e.free()
	return b.Bytes()
}

// CompareDescribed is Compare for a giver's type that another process has described. Nothing can be adopted, so the plan's Way
// is ByConversion or None, and it can't Move. The error is ErrCorrupt or ErrLimit.
func CompareDescribed(description []byte, to reflect.Type) (*Plan, error) {
	d := &decoder{
		reader: newReader(bytes.NewReader(description), int64(len(description)), mostDescribed),
		depths: map[*shape]int{},
	}
	d.nodes()
	d.sum()
	d.ended()
	d.free()
	if d.err == nil && len(d.shapes) == 0 {
		d.corrupt("no type")
	}
	if d.err != nil {
		return nil, fmt.Errorf("description of a type: %w", d.err)
	}
	p := &Plan{To: to}
	if to == nil {
		p.Reasons = []Reason{{root, "no value"}}
		return p, nil
	}
	steps := fitter{}.fit(d.shapes[0], shaper{}.of(to), false)
	p.Changes, p.Reasons = steps.changes()
	p.Emptied = steps.emptied()
	if len(p.Reasons) == 0 {
		p.Way = ByConversion
	}
	return p, nil
}

// mostDescribed bounds the memory of a type that is described, in bytes.
const mostDescribed = 16 << 20
