package state

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
)

// source generates the package own of a plugin: random types, and for each a function Touch that changes every part of a
// value with compiled code: numbers grow, and map entries are looked up, deleted and put back.
type source struct {
	strings.Builder
	types int
	vars  int
}

// randomSource returns the same source for the same seed.
func randomSource(seed uint64, states int) string {
	r := rand.New(rand.NewPCG(seed, 2))
	s := &source{}
	var touch strings.Builder
	for i := range states {
		plan := &sort{kind: reflect.Struct}
		for range 3 + r.IntN(5) {
			plan.fields = append(plan.fields, randomSort(r, 3, false))
		}
		name := s.named(r, plan)
		fmt.Fprintf(s, "func touch%d(p *%s) (misses int) {\n", i, name)
		s.touch(plan, "(*p)")
		s.WriteString("return misses\n}\n")
		fmt.Fprintf(&touch, "case *%s:\nreturn touch%d(s)\n", name, i)
		fmt.Fprintf(&touch, "case nil:\nstates = append(states, (*%s)(nil))\n", name)
	}
	var states2, cases string
	lines := strings.Split(touch.String(), "\n")
	for i := 0; i+3 < len(lines); i += 4 {
		cases += lines[i] + "\n" + lines[i+1] + "\n"
		states2 += lines[i+3] + "\n"
	}
	return "package own\n\nimport \"time\"\n\nvar _ time.Time\n\n" + s.String() + fixedSource +
		"func Touch(s any) int {\nswitch s := s.(type) {\n" + cases + "case *Graph:\nreturn s.touch()\n}\npanic(\"unknown type\")\n}\n\n" +
		"func States() []any {\nvar states []any\n" + states2 + "return append(states, (*Graph)(nil))\n}\n"
}

// named declares a type for a struct, or returns any other type as it is.
func (s *source) named(r *rand.Rand, p *sort) string {
	switch p.kind {
	case reflect.Struct:
		var fields strings.Builder
		for i, f := range p.fields {
			fmt.Fprintf(&fields, "%s %s\n", fieldName(i), s.named(r, f))
		}
		s.types++
		name := fmt.Sprintf("t%d", s.types)
		if r.IntN(3) == 0 {
			fmt.Fprintf(s, "type %s[T any] struct {\n%s mark T\n}\n\n", name, fields.String())
			return name + "[wrapped]"
		}
		fmt.Fprintf(s, "type %s struct {\n%s}\n\n", name, fields.String())
		return name
	case reflect.Pointer:
		return "*" + s.named(r, p.elem)
	case reflect.Slice:
		return "[]" + s.named(r, p.elem)
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", p.len, s.named(r, p.elem))
	case reflect.Map:
		return "map[" + s.named(r, p.key) + "]" + s.named(r, p.elem)
	case stdKind:
		return "time.Time"
	case reflect.Interface:
		return "any"
	}
	return p.kind.String()
}

func fieldName(i int) string {
	if i%2 == 0 {
		return fmt.Sprintf("F%d", i)
	}
	return fmt.Sprintf("f%d", i)
}

func (s *source) fresh(prefix string) string {
	s.vars++
	return fmt.Sprintf("%s%d", prefix, s.vars)
}

// touch generates code that changes the variable x.
func (s *source) touch(p *sort, x string) {
	switch p.kind {
	case reflect.Struct:
		for i, f := range p.fields {
			s.touch(f, x+"."+fieldName(i))
		}
	case reflect.Pointer:
		fmt.Fprintf(s, "if %s != nil {\n", x)
		s.touch(p.elem, "(*"+x+")")
		s.WriteString("}\n")
	case reflect.Slice, reflect.Array:
		i := s.fresh("i")
		fmt.Fprintf(s, "for %s := range %s {\n", i, x)
		s.touch(p.elem, x+"["+i+"]")
		s.WriteString("}\n")
	case reflect.Map:
		keys, k, v, ok := s.fresh("keys"), s.fresh("k"), s.fresh("v"), s.fresh("ok")
		fmt.Fprintf(s, "if %s != nil {\nvar %s = keysOf(%s)\nfor _, %s := range %s {\n%s, %s := %s[%s]\nif !%s { misses++ }\ndelete(%s, %s)\n",
			x, keys, x, k, keys, v, ok, x, k, ok, x, k)
		s.touch(p.elem, v)
		fmt.Fprintf(s, "%s[%s] = %s\n}\n}\n", x, k, v)
	case reflect.Bool:
		fmt.Fprintf(s, "%s = !%s\n", x, x)
	case reflect.String:
		fmt.Fprintf(s, "%s += \"!\"\n", x)
	case stdKind:
		fmt.Fprintf(s, "%s = %s.Add(1)\n", x, x)
	case reflect.Interface:
		fmt.Fprintf(s, "if n, ok := %s.(int); ok { %s = n + 1 }\n", x, x)
	default:
		fmt.Fprintf(s, "%s++\n", x)
	}
}

// fixedSource adds what random types lack: cycles, embedded and generic types, interfaces as keys.
const fixedSource = `
type wrapped struct{ n int }

func keysOf[K comparable, V any](m map[K]V) (keys []K) {
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

type id int32

type pair[A, B any] struct {
	a A
	b B
}

type Graph struct {
	base
	first *vertex
	byID  map[id]*vertex
	pairs map[pair[id, string]]*pair[*vertex, []id]
	mixed map[any]id
	float map[float64]id
	large map[string][40]id
}

type base struct{ edges int }

type vertex struct {
	id   id
	next *vertex
	out  map[*vertex]pair[float64, bool]
}

func (g *Graph) touch() (misses int) {
	if g.byID == nil {
		g.byID, g.pairs, g.mixed = map[id]*vertex{}, map[pair[id, string]]*pair[*vertex, []id]{}, map[any]id{}
		g.float, g.large = map[float64]id{}, map[string][40]id{}
	}
	n := id(len(g.byID))
	for range 200 {
		v := &vertex{id: n, next: g.first, out: map[*vertex]pair[float64, bool]{}}
		g.first = v
		g.byID[n] = v
		v.out[v] = pair[float64, bool]{float64(n), true}
		for k := n / 2; k < n; k += 7 {
			v.out[g.byID[k]] = pair[float64, bool]{float64(k), false}
			g.edges++
		}
		g.pairs[pair[id, string]{n, "x"}] = &pair[*vertex, []id]{v, []id{n, n + 1}}
		g.mixed[int64(n)], g.mixed["s"+string(rune('a'+n%26))], g.float[float64(n)/3] = n, n, n
		g.large[string(rune(n))] = [40]id{0: n, 39: n}
		n++
	}
	for k := range n {
		v := g.byID[k]
		p := g.pairs[pair[id, string]{k, "x"}]
		switch {
		case v == nil || v.id != k || p == nil || p.a != v || p.b[1] != k+1 || v.out[v].a != float64(k):
			misses++
		case g.mixed[int64(k)] != k || g.float[float64(k)/3] != k || g.large[string(rune(k))][39] != k:
			misses++
		}
		for w, e := range v.out {
			if g.byID[w.id] != w || e.a != float64(w.id) {
				misses++
			}
		}
	}
	count := 0
	for v := g.first; v != nil; v = v.next {
		count++
	}
	if count != int(n) {
		misses++
	}
	return misses
}
`
