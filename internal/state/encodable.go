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

func unwritable(s *shape) []Reason {
	var reasons []Reason
	s.follow(root, func(s *shape, path string) {
		switch s.kind {
		case reflect.Func, reflect.Chan, reflect.UnsafePointer:
			reasons = append(reasons, Reason{path, s.name + " can't be encoded"})
		case reflect.Map:
			if methodKey(s.typ.Key()) {
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
