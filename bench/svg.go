package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Sizes of the picture, in pixels: a panel for each cost, side by side.
const (
	panelWidth, panelHeight       = 300, 230
	left, right, top, gap, bottom = 16, 16, 62, 44, 44
	budget                        = 128 // the default of sohost.Budget.Generations
)

// style has colours that can be told apart by everyone, and on light and dark ground.
const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.grid { stroke: #8c959f; stroke-opacity: .35 }
.budget { stroke: #57606a; stroke-dasharray: 4 3 }
.line { fill: none; stroke-width: 2 }
.c0 { stroke: #0969da; fill: #0969da } .c1 { stroke: #bc4c00; fill: #bc4c00 } .c2 { stroke: #8250df; fill: #8250df }
.line.c0, .line.c1, .line.c2 { fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #f0f6fc } .budget { stroke: #9198a1 }
.c0 { stroke: #4493f8; fill: #4493f8 } .c1 { stroke: #f0883e; fill: #f0883e } .c2 { stroke: #ab7df8; fill: #ab7df8 }
}
</style>
`

// draw returns a picture of the curves: what is measured against the number of old generations. The same curves make the same
// picture.
func draw(curves []curve) string {
	var b strings.Builder
	width, height := left+len(costs)*(panelWidth+gap)+right, top+panelHeight+bottom
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintln(&b, "<title>What old generations cost, by their number</title>")
	b.WriteString(style)
	for i, k := range kinds { // the legend
		x := left + gap + i*140
		fmt.Fprintf(&b, `<line class="line c%d" x1="%d" y1="16" x2="%d" y2="16"/><text x="%d" y="20">%s</text>`+"\n", i, x, x+20, x+26, k.name)
	}
	x := left + gap + len(kinds)*140
	fmt.Fprintf(&b, `<line class="budget" x1="%d" y1="16" x2="%d" y2="16"/><text x="%d" y="20">the default budget</text>`+"\n", x, x+20, x+26)
	for i, c := range costs {
		var shown []curve
		for _, k := range kinds {
			for _, curve := range curves {
				if curve.kind == k.name && curve.cost == c.name {
					shown = append(shown, curve)
				}
			}
		}
		panel{left + gap + i*(panelWidth+gap), shown}.draw(&b, c)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// A panel shows the curves of one cost.
type panel struct {
	left   int
	curves []curve
}

func (p panel) draw(b *strings.Builder, c cost) {
	fmt.Fprintf(b, `<text class="title" x="%d" y="46">%s, %s</text>`+"\n", p.left, c.name, c.unit)
	most := 0.0
	counts := 1
	for _, curve := range p.curves {
		most = max(most, slices.Max(curve.y))
		counts = max(counts, slices.Max(curve.x))
	}
	step := niceStep(most)
	steps := math.Ceil(most / step)
	y := func(v float64) float64 { return top + panelHeight*(1-v/(steps*step)) }
	x := func(n int) float64 { return float64(p.left) + float64(panelWidth*n)/float64(counts) }
	for i := range int(steps) + 1 {
		v := float64(i) * step
		fmt.Fprintf(b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, p.left, y(v), p.left+panelWidth, y(v))
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n", p.left-6, y(v)+4, v)
	}
	for n := 0; n <= counts; n += max(counts/4, 1) {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(n), top+panelHeight+18, n)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">old generations</text>`+"\n", p.left+panelWidth/2, top+panelHeight+36)
	if counts > budget {
		fmt.Fprintf(b, `<line class="budget" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", x(budget), top, x(budget), top+panelHeight)
	}
	for i, curve := range p.curves {
		var points, dots strings.Builder
		for j, n := range curve.x {
			fmt.Fprintf(&points, "%.1f,%.1f ", x(n), y(curve.y[j]))
			fmt.Fprintf(&dots, `<circle class="c%d" cx="%.1f" cy="%.1f" r="2.5"/>`, i, x(n), y(curve.y[j]))
		}
		fmt.Fprintf(b, `<polyline class="line c%d" points="%s"/>%s`+"\n", i, strings.TrimSpace(points.String()), dots.String())
	}
}

// niceStep returns the distance of four to ten lines of a grid up to most: 1, 2 or 5 times a power of ten.
func niceStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, times := range []float64{5, 2} {
		if most/(power*times) >= 4 {
			return power * times
		}
	}
	return power
}
