package state

import "reflect"

// Adopt gives value the type to, without copying what it refers to: a pointer, map or slice leads to the same memory
// afterwards. It refuses unless both types are laid out alike all the way down and no interface in the value holds anything
// of the giver's own; on error nothing has happened. It takes as long as a look at the interfaces in the value takes, and no
// time at all if its type has none.
func Adopt(value any, to reflect.Type, o Options) (any, error) {
	p := Compare(reflect.TypeOf(value), to)
	if p.Way != ByAdoption && p.Way != ByReference {
		return nil, &Refusal{p.From, to, p.NotAdopted}
	}
	v, _, err := p.Move(value, o)
	return v, err
}

// retype is sound when a layout comparison of the two types has found nothing. The copy is of the outermost words alone.
// The garbage collector goes by the type that the memory was allocated with, which stays in its image: images are never
// unmapped.
func retype(value any, to reflect.Type) any {
	return reflect.NewAt(to, box(reflect.ValueOf(value))).Elem().Interface()
}
