package main

import (
	"strconv"
	"strings"
)

// calculation is what can be computed of a cell. It reports whether there is a result.
type calculation struct {
	of       func(cell) number
	detailed func(detail) (number, bool) // if it needs the cell's detail
}

// calculations have the names that InfluxData's plugin gives them, and shorter ones.
var calculations = map[string]calculation{
	"avg":           {of: func(c cell) number { return number{Float: c.Sum.float() / float64(c.Count)} }},
	"count":         {of: func(c cell) number { return number{Whole: true, Int: c.Count} }},
	"first":         {of: func(c cell) number { return c.First }},
	"first_value":   {of: func(c cell) number { return c.First }},
	"last":          {of: func(c cell) number { return c.Last }},
	"last_value":    {of: func(c cell) number { return c.Last }},
	"max":           {of: func(c cell) number { return c.Max }},
	"min":           {of: func(c cell) number { return c.Min }},
	"sum":           {of: func(c cell) number { return c.Sum }},
	"median":        {detailed: median},
	"approx_median": {detailed: median},
	"stddev":        {detailed: detail.deviation},
	"var":           {detailed: detail.variance},
}

const calculationNames = "avg, count, first_value or first, last_value or last, max, median or approx_median, min, p1 to p99, stddev, sum, var"

func median(d detail) (number, bool) { return d.percentile(50) }

// calculationOf returns the calculation of a name, such as p95 for a percentile.
func calculationOf(name string) (calculation, bool) {
	if c, is := calculations[name]; is {
		return c, true
	}
	digits, is := strings.CutPrefix(name, "p")
	p, err := strconv.Atoi(digits)
	if !is || err != nil || p < 1 || p > 99 || digits != strconv.Itoa(p) {
		return calculation{}, false
	}
	return calculation{detailed: func(d detail) (number, bool) { return d.percentile(float64(p)) }}, true
}

// result returns the result for a cell. There is none if the detail lacks values of the cell.
func (c calculation) result(of result) (number, bool) {
	if c.detailed == nil {
		return c.of(of.cell), true
	}
	if of.Seen != of.Count {
		return number{}, false
	}
	return c.detailed(of.detail)
}
