package inflight

import (
	"io"

	"github.com/sohost/sohost/generations"
)

// Usage remembers how often images were in calls when somebody looked. An image that nearly always is in a call says little
// by being in one when the process dies; one that seldom is says much.
type Usage struct {
	images map[key]*use
}

type key struct {
	plugin string
	image  generations.ID
}

type use struct {
	looked, inside int
}

const (
	// rememberedLooks is how many looks count: of twice as many, each counts half.
	rememberedLooks = 1000

	// rememberedImages is for how many images looks are remembered. With more, all begin anew.
	rememberedImages = 1000
)

// Look looks at a table now, and reports whether any image is in a call. It counts for as many looks as are given: who looks less often
// while nothing happens must not make images seem busier than they are.
func (u *Usage) Look(file io.ReaderAt, looks int) (busy bool, err error) {
	if u.images == nil || len(u.images) > rememberedImages {
		u.images = map[key]*use{}
	}
	_, err = walk(file, func(im Image) {
		k := key{im.Plugin, im.Image}
		of := u.images[k]
		if of == nil {
			of = new(use)
			u.images[k] = of
		}
		of.looked += looks
		if im.Inside() {
			of.inside += looks
			busy = true
		}
		if of.looked >= 2*rememberedLooks {
			of.looked, of.inside = of.looked/2, of.inside/2
		}
	})
	return busy, err
}

// Tell adds what is remembered to the images of a snapshot, which may be nil.
func (u *Usage) Tell(s *Snapshot) {
	if s == nil {
		return
	}
	for i := range s.Images {
		im := &s.Images[i]
		if of := u.images[key{im.Plugin, im.Image}]; of != nil {
			im.Looked, im.Busy = of.looked, float64(of.inside)/float64(of.looked)
		}
	}
}
