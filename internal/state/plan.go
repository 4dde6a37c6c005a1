package state

import (
	"reflect"
	"sync"
	"time"
)

// Plan is how values of one type become values of another. It follows from the two types alone and is computed once.
type Plan struct {
	From, To reflect.Type
	Way      Way

	// Reasons says why Way is None.
	Reasons []Reason

	// NotAdopted says why a value must be converted, or can't be moved, rather than adopted.
	NotAdopted []Reason

	// Changes is what a conversion adds, loses and renames.
	Changes Changes

	steps *op
}

// Options are for moving values. The zero value is the strictest.
type Options struct {
	// Shared reports whether the package with this path is the same one in giver and receiver, so that values of its
	// types may stand in interfaces. The standard library and abi always are. Default: no other package.
	Shared func(path string) bool

	// MaxBytes is about the memory that a conversion may take; more is ErrLimit. A value that is handed over as it is has
	// no limit. Default: none.
	MaxBytes int64
}

// plans holds what Compare has found; types are never unloaded, so neither are its entries.
var plans sync.Map // [2]reflect.Type → *Plan

// Compare plans moves from one type to another. It is never nil, and may be called from any goroutine.
func Compare(from, to reflect.Type) *Plan {
	at := [2]reflect.Type{from, to}
	if p, ok := plans.Load(at); ok {
		return p.(*Plan)
	}
	p, _ := plans.LoadOrStore(at, newPlan(from, to))
	return p.(*Plan)
}

func newPlan(from, to reflect.Type) *Plan {
	p := &Plan{From: from, To: to}
	switch {
	case from == nil || to == nil:
		p.Reasons = []Reason{{root, "no value"}}
		p.NotAdopted = p.Reasons
		return p
	case from == to:
		p.Way = ByReference
		return p
	}
	l := layout{seen: map[[2]reflect.Type]bool{}, shared: map[sharedType]bool{}}
	l.compare(from, to, root)
	if len(l.reasons) == 0 {
		p.Way = ByAdoption
		return p
	}
	p.NotAdopted = l.reasons
	p.convert()
	return p
}

func (p *Plan) convert() {
	shapes := shaper{}
	p.steps = fitter{}.fit(shapes.of(p.From), shapes.of(p.To), false)
	p.Changes, p.Reasons = p.steps.changes()
	if len(p.Reasons) == 0 {
		p.Way = ByConversion
	}
}

// changes collects what the steps do to fields, and why they can't be taken.
func (o *op) changes() (Changes, []Reason) {
	var c Changes
	var reasons []Reason
	o.follow(root, func(o *op, path string) {
		for _, name := range o.added {
			c.Added = append(c.Added, path+"."+name)
		}
		for _, name := range o.removed {
			c.Removed = append(c.Removed, path+"."+name)
		}
		for _, name := range o.renamed {
			c.Renamed = append(c.Renamed, path+"."+name)
		}
		switch o.code {
		case opRefuse:
			reasons = append(reasons, Reason{path, o.bad})
		case opNumber:
			if o.from.kind != o.to.kind {
				c.Retyped = append(c.Retyped, path+": "+o.from.name+" → "+o.to.name)
			}
		case opAddress, opDeref:
			c.Retyped = append(c.Retyped, path+": "+o.from.name+" → "+o.to.name)
		case opArray:
			if o.from.len != o.to.len {
				c.Retyped = append(c.Retyped, path+": "+o.from.name+" → "+o.to.name)
			}
		}
	})
	return c, reasons
}

// Move gives value, whose type must be p.From, the type p.To. On error nothing has happened, and the giver may go on with
// its value. After a move by Reference or Adopt, giver and receiver refer to the same memory.
func (p *Plan) Move(value any, o Options) (any, Report, error) {
	start := time.Now()
	r := Report{Way: p.Way}
	if p.Way == None {
		return nil, r, &Refusal{p.From, p.To, p.Reasons}
	}
	if t := reflect.TypeOf(value); t != p.From {
		return nil, r, &Refusal{t, p.To, []Reason{{root, "the plan is for " + p.From.String() + ", not for " + typeName(t)}}}
	}
	if reason := verify(value, o, p.Way == ByReference); reason != nil {
		return nil, r, &Refusal{p.From, p.To, []Reason{*reason}}
	}
	switch p.Way {
	case ByAdoption:
		value = retype(value, p.To)
	case ByConversion:
		m := mover{limit: o.MaxBytes}
		v, err := m.move(p.steps, value)
		if err != nil {
			return nil, r, err
		}
		value, r.Changes, r.Entries, r.Bytes = v, p.Changes, m.entries, m.bytes
	}
	r.Elapsed = time.Since(start)
	return value, r, nil
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "nil"
	}
	return t.String()
}
