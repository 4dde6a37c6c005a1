package slim

import (
	"iter"

	"github.com/sohost/sohost/internal/goobj"
)

// defined holds where symbols are defined. Several packages have the same instance of a generic function.
type defined struct {
	heads [2]map[string]int32 // indices of the first definitions in list; of functions with the compiler's ABI, and of all else
	list  []definition
}

type definition struct {
	at   place
	next int32 // index of the next definition of the same name, or 0
	last int32 // of a first definition: index of the last one
}

// newDefined returns an empty one with room for some number of definitions.
func newDefined(room int) *defined {
	d := &defined{list: make([]definition, 1, 1+room)}
	for i := range d.heads {
		d.heads[i] = make(map[string]int32, room/len(d.heads))
	}
	return d
}

// headsOf returns the map for names of that kind.
func (d *defined) headsOf(n name) map[string]int32 {
	if n.abi == goobj.ABIInternal {
		return d.heads[0]
	}
	return d.heads[1]
}

func (d *defined) add(n name, at place) {
	i := int32(len(d.list))
	d.list = append(d.list, definition{at: at, last: i})
	heads := d.headsOf(n)
	head, ok := heads[n.text]
	if !ok {
		heads[n.text] = i
		return
	}
	d.list[d.list[head].last].next = i
	d.list[head].last = i
}

// of returns the definitions of a symbol in the order in which they were added.
func (d *defined) of(n name) iter.Seq[place] {
	i := d.headsOf(n)[n.text]
	return func(yield func(place) bool) {
		for ; i != 0 && yield(d.list[i].at); i = d.list[i].next {
		}
	}
}

// first returns the first definition of a symbol.
func (d *defined) first(n name) (at place, ok bool) {
	i, ok := d.headsOf(n)[n.text]
	return d.list[i].at, ok
}
