package state

import "reflect"

// Encodable returns nil if Encode can write values of type t, as far as the type shows: what interfaces hold can't be
// checked without a value. The error is a *Refusal with the path of every obstacle.
func Encodable(t reflect.Type) error {
	if t == nil {
		return nil
	}
	if reasons := unwritable(shaper{}.of(t)); len(reasons) > 0 {
		return &Refusal{From: t, Reasons: reasons}
	}
	return nil
}

// Predictable reports whether the type alone shows whether Encode can write values of type t within the limit: Encodable is
// all there is to know. It is not if values may hold interfaces, or pointers into other parts of the value.
func Predictable(t reflect.Type) bool {
	if t == nil {
		return false
	}
	s := shaper{}.of(t)
	if len(unwritable(s)) > 0 {
		return true
	}
	predictable := clean(t) && !risky(s)
	s.follow(root, func(s *shape, _ string) {
		if s.kind == stdKind && s.name != "time.Time" { // a time only has to be in a year of four digits
			predictable = false
		}
	})
	return predictable
}

func unwritable(s *shape) []Reason {
	var reasons []Reason
	s.follow(root, func(s *shape, path string) {
		switch s.kind {
		case reflect.Func, reflect.Chan, reflect.UnsafePointer:
			reasons = append(reasons, Reason{path, s.name + " can't be encoded"})
		case reflect.Map:
			if methodKey(s.key.typ) {
				reasons = append(reasons, Reason{path + "[key]", methodKeyText})
			}
		case stdKind:
			if codecOf(s.typ) == nil {
				reasons = append(reasons, Reason{path, s.name + " can't be encoded"})
			}
		}
	})
	return reasons
}
