package main

import (
	"encoding/binary"
	"sort"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// series finds the names of series. A name holds the table, and each tag with its value, in the order of the tags.
type series struct {
	names map[string]string // so that a name is made once
	text  []byte
}

// maxSeries bounds the names that are kept at hand.
const maxSeries = 1 << 16

// sortedTags returns the columns of a table that are tags, by name.
func sortedTags(t *abi.Table) (tags []*abi.Column) {
	for i := range t.Columns {
		if t.Columns[i].Kind == abi.Tag {
			tags = append(tags, &t.Columns[i])
		}
	}
	sort.Slice(tags, func(i, j int) bool { return tags[i].Name < tags[j].Name })
	return tags
}

// of returns the name of a row's series.
func (s *series) of(t *abi.Table, tags []*abi.Column, row int) string {
	s.text = appendPart(s.text[:0], t.Name)
	for _, c := range tags {
		if rows.Has(c, row) {
			s.text = appendPart(appendPart(s.text, c.Name), c.Strings[row])
		}
	}
	if name, ok := s.names[string(s.text)]; ok {
		return name
	}
	if s.names == nil || len(s.names) >= maxSeries {
		s.names = map[string]string{}
	}
	name := string(s.text)
	s.names[name] = name
	return name
}

// appendPart appends a part with its length before it, since a tag may hold any character.
func appendPart(text []byte, part string) []byte {
	return append(binary.AppendUvarint(text, uint64(len(part))), part...)
}

// parts splits a name into the table, tags and values.
func parts(name string) (parts []string) {
	for name != "" {
		n, size := binary.Uvarint([]byte(name[:min(len(name), binary.MaxVarintLen64)]))
		end := size + int(n)
		parts = append(parts, name[size:end])
		name = name[end:]
	}
	return parts
}
