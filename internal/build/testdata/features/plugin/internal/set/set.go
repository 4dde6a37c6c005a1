package set

type Set[T comparable] map[T]struct{}

func Of[T comparable](of ...T) Set[T] {
	s := Set[T]{}
	for _, v := range of {
		s[v] = struct{}{}
	}
	return s
}

func (s Set[T]) Len() int { return len(s) }
