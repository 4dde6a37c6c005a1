package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in a file. Both count from 1; the column in bytes.
type place struct{ line, column int }

// keyPath names a value in a TOML document: the keys that lead to it, and for an element of a list its index.
type keyPath []string

func (p keyPath) with(key string) keyPath { return append(slices.Clone(p), key) }

// last is the last key of a path, list indexes left out.
func (p keyPath) last() string {
	for _, key := range slices.Backward(p) {
		if _, err := strconv.Atoi(key); err != nil {
			return key
		}
	}
	return strings.Join(p, ".")
}

func (p keyPath) key() string { return strings.Join(p, "\x00") } // a key may contain a dot

// places tells where each table, value and list element of a document is mentioned first.
type places map[string]place

// of is the place of a path, or if that isn't mentioned of what contains it.
func (ps places) of(p keyPath) place {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if at, ok := ps[p.key()]; ok {
			return at
		}
	}
	return place{1, 1}
}

// findPlaces finds the places in a document, which must be well-formed.
func findPlaces(data []byte) places {
	ps := places{}
	var p unstable.Parser
	p.Reset(data)
	var table keyPath
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			ps.keyValue(&p, table, e)
		case unstable.Table, unstable.ArrayTable:
			table = ps.keys(&p, nil, e)
		}
	}
	return ps
}

// keys notes the parts of a dotted key and returns its path.
func (ps places) keys(p *unstable.Parser, at keyPath, e *unstable.Node) keyPath {
	for key := e.Key(); key.Next(); {
		at = at.with(string(key.Node().Data))
		ps.note(p, at, key.Node())
	}
	return at
}

func (ps places) note(p *unstable.Parser, at keyPath, n *unstable.Node) {
	if _, known := ps[at.key()]; !known {
		start := p.Shape(n.Raw).Start
		ps[at.key()] = place{start.Line, start.Column}
	}
}

func (ps places) keyValue(p *unstable.Parser, table keyPath, e *unstable.Node) {
	ps.value(p, ps.keys(p, table, e), e.Value())
}

func (ps places) value(p *unstable.Parser, at keyPath, v *unstable.Node) {
	children := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		for children.Next() {
			ps.keyValue(p, at, children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			element := at.with(strconv.Itoa(i))
			if children.Node().Raw.Length > 0 { // the parser doesn't say where a list begins
				ps.note(p, element, children.Node())
			}
			ps.value(p, element, children.Node())
		}
	}
}
