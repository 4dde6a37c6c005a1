package state

import "reflect"

// Adopt returns value as a value of type to, without copying what it refers to: a pointer, map or slice leads to the same
// memory afterwards. It refuses unless both types have the same layout all the way down and no interface in the value holds
// anything of the giver's own. On error nothing has changed. It has to look at every interface in the value; for a type
// without interfaces it takes no time.
func Adopt(value any, to reflect.Type, o Options) (any, error) {
	p := Compare(reflect.TypeOf(value), to)
	if p.Way != ByAdoption && p.Way != ByReference {
		return nil, &Refusal{p.From, to, p.NotAdopted}
	}
	v, _, err := p.Move(value, o)
	return v, err
}

// retype is sound if comparing the layouts of the two types has found no difference. It copies only the outermost words.
// The garbage collector uses the type that the memory was allocated with, which lies in its image; images are never
// unmapped.
func retype(value any, to reflect.Type) any {
	return reflect.NewAt(to, box(reflect.ValueOf(value))).Elem().Interface()
}
