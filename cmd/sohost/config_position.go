package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in a file. Both numbers count from 1; the column is in bytes.
type position struct{ line, column int }

// keyPath names a value in a TOML document: the keys that lead to it, and for an element of a list its index.
type keyPath []string

func (p keyPath) with(key string) keyPath { return append(slices.Clone(p), key) }

// last returns the last key of a path that isn't a list index.
func (p keyPath) last() string {
	for _, key := range slices.Backward(p) {
		if _, err := strconv.Atoi(key); err != nil {
			return key
		}
	}
	return strings.Join(p, ".")
}

func (p keyPath) key() string { return strings.Join(p, "\x00") } // a key may contain a dot

// positions maps each table, value and list element of a document to where it is first mentioned.
type positions map[string]position

// of returns the position of a path, or, if that isn't in the document, of what contains it.
func (ps positions) of(p keyPath) position {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if at, ok := ps[p.key()]; ok {
			return at
		}
	}
	return position{1, 1}
}

// findPositions returns the positions in a document, which must be well-formed.
func findPositions(data []byte) positions {
	ps := positions{}
	var p unstable.Parser
	p.Reset(data)
	var table keyPath
	lists := map[string]int{} // of tables, by their paths: how many there were so far
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			ps.keyValue(&p, table, e)
		case unstable.Table, unstable.ArrayTable:
			table = ps.header(&p, lists, e)
		}
	}
	return ps
}

// header notes each part of the header of a table and returns its path. In a list of tables that has the table's number, or the last
// one's if it is only on the way.
func (ps positions) header(p *unstable.Parser, lists map[string]int, e *unstable.Node) (at keyPath) {
	key := e.Key()
	var last *unstable.Node
	for key.Next() {
		at, last = at.with(string(key.Node().Data)), key.Node()
		ps.note(p, at, last)
		if n := lists[at.key()]; n > 0 && !(key.IsLast() && e.Kind == unstable.ArrayTable) {
			at = at.with(strconv.Itoa(n - 1))
		}
	}
	if e.Kind == unstable.ArrayTable {
		path := at.key()
		at = at.with(strconv.Itoa(lists[path]))
		lists[path]++
		ps.note(p, at, last)
	}
	return at
}

// keys notes each part of a dotted key and returns its path.
func (ps positions) keys(p *unstable.Parser, at keyPath, e *unstable.Node) keyPath {
	for key := e.Key(); key.Next(); {
		at = at.with(string(key.Node().Data))
		ps.note(p, at, key.Node())
	}
	return at
}

func (ps positions) note(p *unstable.Parser, at keyPath, n *unstable.Node) {
	if _, known := ps[at.key()]; !known {
		start := p.Shape(n.Raw).Start
		ps[at.key()] = position{start.Line, start.Column}
	}
}

func (ps positions) keyValue(p *unstable.Parser, table keyPath, e *unstable.Node) {
	ps.value(p, ps.keys(p, table, e), e.Value())
}

func (ps positions) value(p *unstable.Parser, at keyPath, v *unstable.Node) {
	children := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		for children.Next() {
			ps.keyValue(p, at, children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			element := at.with(strconv.Itoa(i))
			if children.Node().Raw.Length > 0 { // the parser gives no position for a nested list
				ps.note(p, element, children.Node())
			}
			ps.value(p, element, children.Node())
		}
	}
}
