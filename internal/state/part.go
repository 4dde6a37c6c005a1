package state

// Part is a value of which a part is missing: the fields that the one before it, of another type, didn't have. Fill puts
// them back from an earlier value that had them.
type Part struct {
	Value any
	has   *cover
}

// Whole returns a value that lacks nothing.
func Whole(value any) Part { return Part{value, &cover{}} }

// Part returns what Move has returned as a value that lacks what p.From doesn't have.
func (p *Plan) Part(moved any) Part {
	if p.steps == nil {
		return Whole(moved)
	}
	return Part{moved, covers{}.of(p.steps)}
}

// Complete reports whether the value lacks nothing.
func (p *Part) Complete() bool { return p.has.complete(map[*cover]bool{}) }

// cover says what of a type's values there is. It is about the type, in the receiver's terms, and has the type's cycles.
type cover struct {
	partial bool              // a struct that may lack fields; otherwise only elem says more
	fields  map[string]*cover // of a partial struct: those that are there
	names   []string          // of a partial struct: those that are missing
	elem    *cover            // of a pointer, slice, array or map; nil: complete
}

// covers makes the cover of each op once.
type covers map[*op]*cover

func (m covers) of(o *op) *cover {
	if c := m[o]; c != nil {
		return c
	}
	if o.code == opDeref { // in the receiver there is only the value
		c := &cover{}
		m[o] = c // for a type that contains itself
		*c = *m.of(o.elem)
		return c
	}
	c := &cover{}
	m[o] = c
	switch o.code {
	case opPointer, opAddress, opSlice, opArray, opMap:
		c.elem = m.of(o.elem)
	case opStruct:
		c.partial, c.fields, c.names = true, map[string]*cover{}, o.added
		for _, f := range o.fields {
			c.fields[f.name] = m.of(f.op)
		}
	}
	return c
}

// complete reports whether nothing is missing. seen has the covers that were looked at.
func (c *cover) complete(seen map[*cover]bool) bool {
	if c == nil || seen[c] {
		return true
	}
	seen[c] = true
	if c.partial && len(c.names) > 0 || !c.elem.complete(seen) {
		return false
	}
	for _, f := range c.fields {
		if !f.complete(seen) {
			return false
		}
	}
	return true
}

// missing adds the names of all fields that are missing to names. seen has the covers that were looked at.
func (c *cover) missing(seen map[*cover]bool, names map[string]bool) {
	if c == nil || seen[c] {
		return
	}
	seen[c] = true
	for _, name := range c.names {
		names[name] = true
	}
	c.elem.missing(seen, names)
	for _, f := range c.fields {
		f.missing(seen, names)
	}
}

// field returns the cover of a field, and whether the field is there.
func (c *cover) field(name string) (*cover, bool) {
	if c == nil || !c.partial {
		return nil, true
	}
	f, has := c.fields[name]
	if has {
		return f, true
	}
	for _, missing := range c.names {
		if missing == name {
			return nil, false
		}
	}
	return nil, true // a lock
}

func (c *cover) inner() *cover {
	if c == nil {
		return nil
	}
	return c.elem
}

// unions makes the union of each pair of covers once.
type unions map[[2]*cover]*cover

func (m unions) of(a, b *cover) *cover {
	if a == nil || b == nil {
		return nil
	}
	at := [2]*cover{a, b}
	if c := m[at]; c != nil {
		return c
	}
	c := &cover{}
	m[at] = c
	c.elem = m.of(a.elem, b.elem)
	if !a.partial || !b.partial {
		return c
	}
	c.partial, c.fields = true, map[string]*cover{}
	for name, f := range a.fields {
		if g, has := b.field(name); has {
			c.fields[name] = m.of(f, g)
		} else {
			c.fields[name] = f
		}
	}
	for _, name := range a.names {
		if g, has := b.field(name); !has {
			c.names = append(c.names, name)
		} else if c.fields[name] = g; g == nil {
			c.fields[name] = &cover{}
		}
	}
	return c
}
