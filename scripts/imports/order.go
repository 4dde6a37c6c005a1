package main

import (
	"math/rand/v2"
	"slices"
)

// A graph has an arc from i to j if uses[i][j].
type graph [][]bool

// order returns the nodes so that few arcs point up, from a node to one before it, and how many do. The fewest possible are
// hard to find (it is the minimum feedback arc set); this starts from the order of Eades, Lin and Smyth ("A fast and effective
// heuristic for the feedback arc set problem", 1993) and then moves single nodes to better places, again and again from an
// order that is a little disturbed. The same graph always gives the same result.
func (g graph) order() ([]int, int) {
	best := g.improve(g.greedy())
	up := g.up(best)
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		if up == 0 {
			break
		}
		next := slices.Clone(best)
		for range 1 + r.IntN(4) {
			move(next, r.IntN(len(next)), r.IntN(len(next)))
		}
		next = g.improve(next)
		if n := g.up(next); n <= up {
			best, up = next, n
		}
	}
	return best, up
}

// greedy takes sinks away for the end and sources for the beginning. When there are none, it takes for the beginning the node that
// has most arcs out over arcs in.
func (g graph) greedy() []int {
	var front, back []int
	left := make([]int, len(g))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		pick, most, sink := 0, -2*len(g), false
		for i, v := range left {
			in, out := 0, 0
			for _, w := range left {
				in += number(g[w][v])
				out += number(g[v][w])
			}
			if sink = out == 0; sink {
				pick = i
				break
			}
			if in == 0 {
				out += len(g) // a source goes before all others
			}
			if out-in > most {
				pick, most = i, out-in
			}
		}
		if sink {
			back = append(back, left[pick])
		} else {
			front = append(front, left[pick])
		}
		left = slices.Delete(left, pick, pick+1)
	}
	slices.Reverse(back)
	return append(front, back...)
}

// improve moves one node at a time to where fewest arcs point up, until no move helps.
func (g graph) improve(order []int) []int {
	for better := true; better; {
		better = false
		for v := range g {
			from := slices.Index(order, v)
			to, least := from, 0
			for _, step := range []int{-1, 1} {
				change := 0
				for i := from + step; i >= 0 && i < len(order); i += step {
					// v passes order[i]: the arcs between them turn.
					change += step * (number(g[v][order[i]]) - number(g[order[i]][v]))
					if change < least {
						to, least = i, change
					}
				}
			}
			if least < 0 {
				move(order, from, to)
				better = true
			}
		}
	}
	return order
}

func (g graph) up(order []int) (n int) {
	for i, v := range order {
		for _, w := range order[:i] {
			n += number(g[v][w])
		}
	}
	return n
}

func move(order []int, from, to int) {
	v := order[from]
	if from < to {
		copy(order[from:to], order[from+1:to+1])
	} else {
		copy(order[to+1:from+1], order[to:from])
	}
	order[to] = v
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
