package browser_test

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
	"testing"
)

// readme are the README's pictures, by what they show.
var readme = map[string]string{"plugin-light": "console-plugin.png", "timeline-dark": "console-timeline.png"}

// reduced returns a picture with its most frequent 64 colours, which is a third as large and looks the same.
func reduced(t *testing.T, from []byte) []byte {
	t.Helper()
	whole, err := png.Decode(bytes.NewReader(from))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[color.Color]int{}
	for y := range whole.Bounds().Dy() {
		for x := range whole.Bounds().Dx() {
			seen[whole.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(seen), func(a, b color.Color) int { return cmp.Compare(seen[b], seen[a]) })
	few := image.NewPaletted(whole.Bounds(), colours[:min(len(colours), 64)])
	draw.Draw(few, few.Bounds(), whole, image.Point{}, draw.Src)
	var to bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&to, few); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}
