package main

import (
	"math"
	"math/bits"
	"slices"
)

// detail is what more is known of a cell, if a calculation needs it.
type detail struct {
	Seen          int64     // values; fewer than the cell has if they came before a calculation needed them
	Mean, Squares float64   // of the values, and of their distances from it
	Kept          []float64 // the values or, of more than maxKept, as many of them chosen evenly
}

// maxKept bounds the values that are kept of a cell, which take 8 KB then. Medians and percentiles are exact up to that number; of more
// values they are estimates, nearly always within 4 percentiles.
const maxKept = 1000

// with returns the detail with one value more. What others have read of Kept stays as it is.
func (d detail) with(value float64) detail {
	d.Seen++
	far := value - d.Mean
	d.Mean += far / float64(d.Seen)
	d.Squares += far * (value - d.Mean)
	if len(d.Kept) < maxKept {
		d.Kept = append(d.Kept, value)
	} else if i := chosen(uint64(d.Seen)); i < maxKept {
		d.Kept = slices.Clone(d.Kept)
		d.Kept[i] = value
	}
	return d
}

// chosen returns one of n places, each as likely as any other, and the same for each n: what is counted again after a crash has the same result.
func chosen(n uint64) uint64 {
	x := n * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	place, _ := bits.Mul64(x^x>>31, n)
	return place
}

// variance returns the variance of a sample, of which there is none of a single value.
func (d detail) variance() (number, bool) {
	return number{Float: d.Squares / float64(d.Seen-1)}, d.Seen > 1
}

func (d detail) deviation() (number, bool) {
	n, is := d.variance()
	return number{Float: math.Sqrt(n.Float)}, is
}

// percentile returns the value that p of a hundred don't exceed, between two values if need be.
func (d detail) percentile(p float64) (number, bool) {
	sorted := slices.Sorted(slices.Values(d.Kept))
	at := p / 100 * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return number{Float: sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])}, true
}
