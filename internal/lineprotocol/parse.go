// Package lineprotocol turns line protocol, the text in which points are written to InfluxDB, into tables of package abi, and back. The syntax is
// that of InfluxData's own package.
package lineprotocol

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// Options are those of one text.
type Options struct {
	Precision Precision
	Now       time.Time // for lines without a time, cut to the precision
	MaxErrors int       // how many lines to name that can't be read; others are counted
}

// Parsed is what a text holds.
type Parsed struct {
	Tables []abi.Table // of the lines that can be read
	Rows   int
	Bad    []LineError // the first Options.MaxErrors lines that can't
	Errors int         // how many lines can't
}

// LineError is a line that can't be read.
type LineError struct {
	Line     int    // counted from 1
	Original string // at most maxOriginal bytes of it
	Err      error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("line %d: unable to parse '%s': %v", e.Line, e.Original, e.Err)
}

// maxOriginal bounds what is kept of a line that can't be read, in bytes.
const maxOriginal = 200

// timeName is the name of the column that has the times where InfluxDB shows rows.
const timeName = "time"

// Errors of lines.
var (
	errNoFields = errors.New("missing fields")
	errTime     = errors.New("bad timestamp")
	errTimeName = errors.New("time is the name of the timestamp: no tag and no field can have it")
)

// Parse reads a text, line by line. Strings of the tables are copies, so the body may be used again.
func Parse(body []byte, o Options) Parsed {
	m := memories.Get().(*memory)
	defer memories.Put(m)
	return parse(body, o, m)
}

// mostPlaces is how many places the tables of a text may take; see rows.Builder. A longer text may take as many as it has bytes, which is
// more than it has values. Without a bound, a short text with a new field in each line would take all memory.
const mostPlaces = 1 << 22

// parse reads a text, and plain lines of it quickly if there is a memory.
func parse(body []byte, o Options, m *memory) Parsed {
	p := parser{options: o, now: o.Precision.cut(o.Now.UnixNano()), body: body, lines: lines{rest: body}, memory: m}
	p.builder.Limit(max(mostPlaces, len(body)))
	for len(p.lines.rest) > 0 {
		if m != nil {
			if n := p.quick(p.lines.rest); n > 0 {
				p.lines.pass(n)
				continue
			}
		}
		if !p.next() {
			break
		}
	}
	p.Rows = p.builder.Rows()
	p.Tables = p.builder.Tables()
	if m != nil {
		m.note(p.Tables)
	}
	return p.Parsed
}

type parser struct {
	Parsed
	options Options
	now     int64
	builder rows.Builder
	body    []byte
	lines   lines
	decoder *lineprotocol.Decoder // of lines; nil before it is needed, and after it has left one within itself
	ahead   int                   // by how many lines it counts less
	known   map[string]string
	texts   texts

	memory  *memory // nil if all lines are left to the library
	table   *table  // of the last line that was read quickly
	escaped bool    // a column may have a name that isn't plain
}

// next has the library read the next entry, which need not be a row, and reports whether there was one. Afterwards nothing of its last line
// is left.
func (p *parser) next() bool {
	if p.decoder == nil {
		p.decoder = lineprotocol.NewDecoder(&p.lines)
		p.lines.given = 0
	}
	p.ahead = p.lines.passed - p.lines.given
	for rest := len(p.lines.rest); len(p.lines.rest) == rest; {
		if !p.decoder.Next() {
			return false
		}
		if len(p.lines.rest) == rest { // after a stray carriage return, it takes the rest of a bad line for another one
			p.decoder.Measurement()
		}
	}
	line := p.lines.passed
	if p.lines.begun {
		line++
	}
	if err := p.row(); err != nil {
		p.bad(line, err)
		p.decoder.TimeBytes() // what follows an error of this package may be a text of several lines
	}
	if p.lines.begun { // the decoder would read it to its end, and the line after it
		p.lines.skip()
		p.decoder = nil
	}
	return true
}

// row reads the next line. With an error nothing of it is left.
func (p *parser) row() error {
	name, err := p.decoder.Measurement()
	if err != nil {
		return err
	}
	row := p.builder.RowOf(name)
	if err := p.values(row); err != nil {
		row.Drop()
		return err
	}
	return nil
}

func (p *parser) values(row *rows.Row) error {
	for {
		key, value, err := p.decoder.NextTag()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		if row.Tag(p.key(row, key), p.name(value)); string(key) == timeName {
			return errTimeName
		}
	}
	fields := 0
	for ; ; fields++ {
		key, value, err := p.decoder.NextField()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		if p.field(row, p.key(row, key), value); string(key) == timeName {
			return errTimeName
		}
	}
	if fields == 0 {
		return errNoFields
	}
	at, err := p.time()
	if err != nil {
		return err
	}
	row.AtNano(at)
	return row.Err()
}

func (p *parser) field(row *rows.Row, key string, v lineprotocol.Value) {
	switch v.Kind() {
	case lineprotocol.Float:
		row.Float(key, v.FloatV())
	case lineprotocol.Int:
		row.Int(key, v.IntV())
	case lineprotocol.Uint:
		row.Uint(key, v.UintV())
	case lineprotocol.Bool:
		row.Bool(key, v.BoolV())
	case lineprotocol.String:
		row.String(key, p.copied(v.BytesV()))
	}
}

func (p *parser) time() (int64, error) {
	b, err := p.decoder.TimeBytes()
	if err != nil {
		return 0, err
	}
	if b == nil {
		return p.now, nil
	}
	n, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(b), len(b)), 10, 64)
	if err != nil {
		return 0, errTime
	}
	return p.options.Precision.nano(n)
}

// key returns a copy of the name of a column.
func (p *parser) key(row *rows.Row, b []byte) string {
	if next := row.Next(); next == string(b) {
		return next
	}
	name := p.name(b)
	p.escaped = p.escaped || !isPlain(name)
	return name
}

// name returns a copy of a text that probably comes again: a key, or the value of a tag.
func (p *parser) name(b []byte) string {
	if s, ok := p.known[string(b)]; ok {
		return s
	}
	s := p.copied(b)
	if p.known == nil {
		p.known = make(map[string]string, 64)
	}
	if len(p.known) < mostKnown {
		p.known[s] = s
	}
	return s
}

// mostKnown bounds the texts that are looked for in the known ones: tags can have a value for each row.
const mostKnown = 4096

func (p *parser) copied(b []byte) string { return p.texts.copied(b, min(len(p.body), 32<<10)) }

// bad notes a line that can't be read, and that an entry begins with.
func (p *parser) bad(line int, err error) {
	if p.Errors++; len(p.Bad) >= p.options.MaxErrors {
		return
	}
	e := LineError{Line: line, Err: err}
	if d := (*lineprotocol.DecodeError)(nil); errors.As(err, &d) {
		e.Line, e.Err = int(d.Line)+p.ahead, d.Err
		if endsEarly(d.Err.Error()) {
			e.Err = errNoFields
		}
	}
	e.Original = lineOf(p.body, e.Line)
	p.Bad = append(p.Bad, e)
}

// endsEarly reports whether an error of the decoder's means a line that ends before its fields. Clients know another text for that.
func endsEarly(text string) bool {
	switch text {
	case "empty tag name", "expected field key but none found", `invalid character '\n' found at start of field key`:
		return true
	}
	return strings.HasPrefix(text, "expected tag key or field but found")
}

// lineOf returns the beginning of a line.
func lineOf(body []byte, line int) string {
	for range line - 1 {
		_, body, _ = bytes.Cut(body, []byte("\n"))
	}
	body, _, _ = bytes.Cut(body, []byte("\n"))
	return strings.ToValidUTF8(string(body[:min(len(body), maxOriginal)]), "\ufffd")
}
