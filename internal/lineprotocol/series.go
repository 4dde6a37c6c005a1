package lineprotocol

import (
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
)

// series is what lines with the same measurement and the same tags have in common. Most lines are of a series that came before.
type series struct {
	head  string // the line up to the space before its fields, in which nothing is escaped
	table *table
	tags  []tag
	next  *series // the one that came after this one when it came last
}

type tag struct{ key, value string }

// table is what a measurement was in the last text.
type table struct {
	name          string
	rows, columns int
}

// memory holds series. It outlives a text: the next one has mostly the same ones.
type memory struct {
	series map[string]*series
	tables map[string]*table
	last   *series
	heads  texts
	size   int // of the heads, in bytes
}

// Bounds of a memory. One that would exceed them forgets everything.
const (
	mostSeries = 8192
	mostHeads  = 1 << 20
)

// memories has those that nobody uses.
var memories = sync.Pool{New: func() any { return new(memory) }}

// find returns the series that a line begins with, or nil if something there isn't plain.
func (m *memory) find(line []byte) *series {
	if m.last != nil && m.last.next != nil {
		s := m.last.next
		if n := len(s.head); n < len(line) && line[n] == ' ' && string(line[:n]) == s.head {
			m.last = s
			return s
		}
	}
	end := 0
	for end < len(line) && (plain[line[end]] || line[end] == ',' || line[end] == '=') {
		end++
	}
	if end == len(line) || line[end] != ' ' || line[0] == '#' {
		return nil
	}
	s := m.series[string(line[:end])]
	if s == nil {
		if s = m.learn(line[:end]); s == nil {
			return nil
		}
	}
	if m.last != nil {
		m.last.next = s
	}
	m.last = s
	return s
}

// learn adds a series, or returns nil if a line with that head isn't a row, or is none with these tags to all who read it.
func (m *memory) learn(head []byte) *series {
	if len(m.series) == mostSeries || m.size+len(head) > mostHeads {
		*m = memory{}
	}
	if m.series == nil {
		m.series, m.tables = map[string]*series{}, map[string]*table{}
	}
	m.size += len(head)
	s := &series{head: m.heads.copied(head, mostHeads/32)}
	name, rest, more := strings.Cut(s.head, ",")
	if name == "" || strings.Contains(name, "=") {
		return nil
	}
	for more {
		var t string
		t, rest, more = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(t, "=")
		if key == "" || key == timeName || value == "" || strings.Contains(value, "=") {
			return nil
		}
		s.tags = append(s.tags, tag{key, value})
	}
	if s.table = m.tables[name]; s.table == nil {
		s.table = &table{name: name}
		m.tables[name] = s.table
	}
	m.series[s.head] = s
	return s
}

// note remembers how many rows each table had.
func (m *memory) note(tables []abi.Table) {
	for i := range tables {
		if t := m.tables[tables[i].Name]; t != nil {
			t.rows, t.columns = len(tables[i].Times), len(tables[i].Columns)
		}
	}
}
