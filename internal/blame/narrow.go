package blame

import (
	"fmt"
	"slices"

	"github.com/sohost/sohost/generations"
)

const (
	// enough is the share from which an image is considered to have done it.
	enough = 0.9

	// another is how much less likely two crashes shortly after each other have two causes than one.
	another = 0.1
)

// narrow determines whether one of a finding's suspects is by far the likeliest, if need be with the help of the crashes
// before that nobody is to blame for yet: whoever did it was a suspect each time. Of n crashes, an image did all of them with
// the product of its shares, and several images did them with another times what no image alone explains. doubt says that one
// crash alone proves nothing.
func (r *Record) narrow(f Finding, doubt bool, ended generations.Moment) Finding {
	f.Strength = Weak
	product := slices.Clone(f.Suspects)
	try := func(deaths int) bool {
		slices.SortStableFunc(product, likeliest)
		var sum float64
		for _, s := range product {
			sum += s.Share
		}
		if deaths > 1 {
			sum += another * (1 - sum)
		}
		if product[0].Share < enough*sum {
			return false
		}
		top := product[0]
		f.Suspect, f.deaths = Suspect{top.Plugin, top.Image}, deaths
		if deaths > 1 || !doubt {
			f.Strength = Strong
		}
		return f.Strength == Strong
	}
	if try(1) {
		if len(f.Suspects) > 1 {
			f.Evidence += ", of which it seldom is"
		}
		return f
	}
	deaths := 1
	for _, e := range slices.Backward(r.Events) {
		if e.Kind != generations.KindCrash || Strength(e.Evidence) != Weak || len(e.Suspects) == 0 {
			continue
		}
		if !within(relapse, e.When(), ended) {
			break
		}
		both := multiply(product, e.Suspects)
		if len(both) == 0 { // another cause
			continue
		}
		product, deaths = both, deaths+1
		if try(deaths) {
			f.Evidence += fmt.Sprintf("; of those suspected at each of %d deaths it is the likeliest", deaths)
			break
		}
	}
	return f
}

// multiply returns the suspects that both have, with the products of their shares.
func multiply(a, b []generations.Suspicion) (both []generations.Suspicion) {
	for _, s := range a {
		for _, o := range b {
			if s.Plugin == o.Plugin && s.Image == o.Image {
				s.Share *= o.Share
				both = append(both, s)
				break
			}
		}
	}
	return both
}
