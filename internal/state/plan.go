package state

import (
	"reflect"
	"sync"
	"time"
)

// Plan describes how values of one type become values of another. It depends only on the two types and is computed once.
type Plan struct {
	From, To reflect.Type
	Way      Way

	// Reasons explains why Way is None.
	Reasons []Reason

	// NotAdopted explains why a value can't be adopted, so that it must be converted or can't be moved.
	NotAdopted []Reason

	// Changes lists the fields that a conversion adds, loses, renames and retypes.
	Changes Changes

	// Emptied lists the structs of which a conversion keeps no field, although they had some: nothing of their values
	// arrives. It is part of Changes.Removed, field by field.
	Emptied []string

	steps *op
}

// Options holds the options of Move and Adopt. The zero value is the strictest.
type Options struct {
	// Quiet says that nobody uses the value, so that a lock which is held was left behind, by a panic. It is set free, as in a
	// conversion, and Report.Unlocked names it. Default: locks move as they are.
	Quiet bool

	// Shared reports whether giver and receiver have the package with this path in common, so that interfaces may hold
	// values of its types. The standard library and abi are always shared. Default: no other package is.
	Shared func(path string) bool

	// MaxBytes approximately limits the memory that a conversion may allocate, in bytes; beyond it the error is ErrLimit.
	// Values that are not copied have no limit. Default: no limit.
	MaxBytes int64

	// Deadline ends a conversion that isn't finished by then, with ErrDeadline. Default: none.
	Deadline time.Time
}

// plans caches the results of Compare. Types are never unloaded, so its entries stay.
var plans sync.Map // [2]reflect.Type → *Plan

// Compare returns the plan for moving values from one type to another. The plan is never nil. Compare may be called from any
// goroutine.
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
	p.Emptied = p.steps.emptied()
	if len(p.Reasons) == 0 {
		p.Way = ByConversion
	}
}

// emptied returns the paths of structs that keep none of the fields they had.
func (o *op) emptied() (paths []string) {
	o.everywhere(root, func(o *op, path string) {
		if o.code == opStruct && len(o.removed) > 0 && len(o.fields) == 0 {
			paths = append(paths, path)
		}
	})
	return paths
}

// changes returns what the steps change about fields, and the reasons for refused steps, at every place.
func (o *op) changes() (Changes, []Reason) {
	var c Changes
	var reasons []Reason
	o.everywhere(root, func(o *op, path string) {
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

// Move returns value, whose type must be p.From, as a value of type p.To. On error nothing has changed, and the giver may
// continue to use its value. After a move ByReference or ByAdoption, giver and receiver refer to the same memory.
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
	if o.Quiet && p.Way != ByConversion {
		r.Unlocked = unlock(value)
	}
	switch p.Way {
	case ByAdoption:
		value = retype(value, p.To)
	case ByConversion:
		m := mover{limit: o.MaxBytes, clock: clock{until: o.Deadline}}
		v, err := m.move(p.steps, value)
		if err != nil {
			return nil, r, err
		}
		value, r.Changes, r.Emptied, r.Entries, r.Bytes = v, p.Changes, p.Emptied, m.entries, m.bytes
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
