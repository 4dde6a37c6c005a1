package lineprotocol

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"

	"github.com/sohost/sohost/abi/rows"
)

// quick reads the row at the beginning of a text if the line is one that can mean only one thing: without escapes, comments and control
// characters, its numbers in plain digits, one space between its parts, and a newline at its end. It returns the length of the line, or 0 and
// has changed nothing: the library then reads the line, and says what is wrong with it, if something is.
func (p *parser) quick(line []byte) int {
	s := p.memory.find(line)
	if s == nil {
		return 0
	}
	if s.table != p.table {
		p.table = s.table
		p.builder.Grow(min(s.table.rows, len(line)/(len(s.head)+len(" f=1\n"))+1), s.table.columns)
	}
	row := p.builder.Row(s.table.name)
	for i := range s.tags {
		row.Tag(s.tags[i].key, s.tags[i].value)
	}
	i, ok := p.quickFields(row, line, len(s.head)+1)
	at := p.now
	if ok && i < len(line) && line[i] == ' ' {
		at, i, ok = p.quickTime(line, i+1)
	}
	if !ok || i < len(line) && line[i] != '\n' || row.AtNano(at).Err() != nil {
		row.Drop()
		return 0
	}
	return min(i+1, len(line))
}

// quickFields reads the fields that begin at line[i], and returns where they end.
func (p *parser) quickFields(row *rows.Row, line []byte, i int) (end int, ok bool) {
	for {
		name := row.Next()
		equals := i + len(name)
		if p.escaped || name == "" || equals >= len(line) || line[equals] != '=' || string(line[i:equals]) != name {
			for equals = i; equals < len(line) && plain[line[equals]]; {
				equals++
			}
			if equals == i || equals == len(line) || line[equals] != '=' || string(line[i:equals]) == timeName {
				return 0, false
			}
			name = p.key(row, line[i:equals])
		}
		if i, ok = p.quickValue(row, name, line, equals+1); !ok {
			return 0, false
		}
		if i == len(line) || line[i] != ',' {
			return i, true
		}
		i++
	}
}

// quickValue reads a value that begins at line[i], and returns where it ends.
func (p *parser) quickValue(row *rows.Row, name string, line []byte, i int) (end int, ok bool) {
	if i == len(line) {
		return 0, false
	}
	switch b := line[i]; {
	case b == '-' || b-'0' < 10:
		return quickNumber(row, name, line, i)
	case b == '"':
		i++
		size := bytes.IndexByte(line[i:], '"')
		if size < 0 || !isText(line[i:i+size]) {
			return 0, false
		}
		row.String(name, p.copied(line[i:i+size]))
		return i + size + 1, true
	}
	for end = i; end < len(line) && 'A' <= line[end] && line[end] <= 'z'; end++ {
	}
	switch string(line[i:end]) {
	case "t", "T", "true", "True", "TRUE":
		row.Bool(name, true)
	case "f", "F", "false", "False", "FALSE":
		row.Bool(name, false)
	default:
		return 0, false
	}
	return end, true
}

// isText reports whether a text has only printable ASCII characters, and no escapes.
func isText(text []byte) bool {
	for _, b := range text {
		if b < ' ' || b > '~' || b == '\\' {
			return false
		}
	}
	return true
}

// quickNumber reads a number that begins at line[i], and returns where it ends.
func quickNumber(row *rows.Row, name string, line []byte, i int) (end int, ok bool) {
	begin, negative := i, line[i] == '-'
	if negative {
		i++
	}
	n, i, digits := digitsAt(line, 0, i)
	if digits == 0 {
		return 0, false
	}
	decimals := 0
	if i < len(line) && line[i] == '.' {
		if n, i, decimals = digitsAt(line, n, i+1); decimals == 0 {
			return 0, false
		}
	}
	switch {
	case i < len(line) && line[i] == 'i':
		if decimals > 0 || digits > 18 {
			return 0, false
		}
		row.Int(name, signed(n, negative))
		return i + 1, true
	case i < len(line) && line[i] == 'u':
		if decimals > 0 || digits > 19 || negative {
			return 0, false
		}
		row.Uint(name, n)
		return i + 1, true
	}
	var f float64
	if digits+decimals <= 15 { // then both numbers are exact, and their quotient is rounded once
		if f = float64(n) / powers[decimals]; negative {
			f = -f
		}
	} else {
		var err error
		if f, err = strconv.ParseFloat(unsafe.String(&line[begin], i-begin), 64); err != nil {
			return 0, false
		}
	}
	row.Float(name, f)
	return i, true
}

// powers has those of ten up to the number of decimals that quickNumber reads itself.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// digitsAt appends the digits that begin at line[i] to those of a number, and returns how many they are, and where they end. More than 19 may
// not fit in it.
func digitsAt(line []byte, before uint64, i int) (n uint64, end, digits int) {
	n, end = before, i
	for end < len(line) && line[end]-'0' < 10 {
		n = n*10 + uint64(line[end]-'0')
		end++
	}
	return n, end, end - i
}

// quickTime reads the timestamp that begins at line[i], and returns where it ends.
func (p *parser) quickTime(line []byte, i int) (at int64, end int, ok bool) {
	negative := i < len(line) && line[i] == '-'
	if negative {
		i++
	}
	n, end, digits := digitsAt(line, 0, i)
	if digits == 0 || digits > 19 || n > math.MaxInt64 {
		return 0, 0, false
	}
	at, err := p.options.Precision.nano(signed(n, negative))
	return at, end, err == nil
}

func signed(n uint64, negative bool) int64 {
	if negative {
		return -int64(n)
	}
	return int64(n)
}
