package main

import (
	"math"

	"github.com/sohost/sohost/abi"
)

// number is a value of a field: an integer, exactly, or a floating-point number.
type number struct {
	Whole bool
	Int   int64
	Float float64
}

// numeric reports whether columns of a kind hold numbers.
func numeric(k abi.Kind) bool { return k == abi.Int || k == abi.Uint || k == abi.Float }

func numberOf(c *abi.Column, row int) number {
	switch {
	case c.Kind == abi.Int:
		return number{Whole: true, Int: c.Ints[row]}
	case c.Kind == abi.Float:
		return number{Float: c.Floats[row]}
	case c.Uints[row] <= math.MaxInt64:
		return number{Whole: true, Int: int64(c.Uints[row])}
	}
	return number{Float: float64(c.Uints[row])}
}

// float returns the number as a floating-point one.
func (n number) float() float64 {
	if n.Whole {
		return float64(n.Int)
	}
	return n.Float
}

// plus adds exactly where that is possible: a sum of integers that has no room in one becomes a floating-point number.
func (n number) plus(m number) number {
	if sum := n.Int + m.Int; n.Whole && m.Whole && (sum > n.Int) == (m.Int > 0) {
		return number{Whole: true, Int: sum}
	}
	return number{Float: n.float() + m.float()}
}

func (n number) less(m number) bool {
	if n.Whole && m.Whole {
		return n.Int < m.Int
	}
	return n.float() < m.float()
}

// cell is what is known of one field of one series in one window.
type cell struct {
	Count                      int64
	Sum, Min, Max, First, Last number
	FirstAt, LastAt            int64
	Changed                    bool // since it was emitted
}

// with returns the cell with one value more.
func (c cell) with(n number, at int64) cell {
	if c.Count == 0 {
		return cell{Count: 1, Sum: n, Min: n, Max: n, First: n, Last: n, FirstAt: at, LastAt: at, Changed: true}
	}
	c.Count++
	c.Sum = c.Sum.plus(n)
	if n.less(c.Min) {
		c.Min = n
	}
	if c.Max.less(n) {
		c.Max = n
	}
	if at < c.FirstAt {
		c.First, c.FirstAt = n, at
	}
	if at >= c.LastAt {
		c.Last, c.LastAt = n, at
	}
	c.Changed = true
	return c
}
