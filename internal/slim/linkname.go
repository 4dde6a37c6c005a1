package slim

import (
	"fmt"

	"github.com/sohost/sohost/internal/goobj"
)

// CheckLinknames returns an *Unslim if a full link would refuse a reference by go:linkname, or from assembly, to what the standard
// library doesn't open for that: the linker looks at the definition, which it hasn't got if that is the host's. Which names are for
// certain packages only, it knows in any case (cmd/link/internal/loader, checkLinkname).
func (c *Closure) CheckLinknames() error {
	for _, path := range c.Along {
		archive, err := c.library.open(Escape(path))
		if err != nil {
			return err
		}
		for _, o := range archive.Objects {
			for i := o.Defined(); i < o.Symbols(); i++ {
				s := o.Symbol(i)
				if !s.IsLinkname() || s.ABI == goobj.Static {
					continue
				}
				if err := c.checkLinkname(Escape(path), name{s.Name, s.ABI}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *Closure) checkLinkname(from string, n name) error {
	in, err := c.library.find(n)
	if in == "" || in == from || err != nil {
		return err
	}
	symbols, err := c.library.symbolsOf(in)
	if err != nil {
		return err
	}
	at := symbols[n]
	if s := at.object.Symbol(at.index); at.object.Standard && !s.IsLinkname() && !s.IsWrapper() {
		return &Unslim{fmt.Sprintf("%s refers to %s, which its package doesn't permit", c.library.packages[from].Path, n.text)}
	}
	return nil
}
