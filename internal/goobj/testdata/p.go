package p

type T struct {
	Next *T
	Name string
}

var V = []*T{{Name: "x"}}

func F(s string) any { return g(T{Name: s}) }

//go:noinline
func g(t T) any { return t }
