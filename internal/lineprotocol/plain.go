package lineprotocol

import (
	"math"
	"strconv"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// plain has the bytes that line protocol never escapes and always takes. Most names and tags have no others, and looking for that once
// costs less than half of what the library's checks and escapes do.
var plain = func() (is [256]bool) {
	for b := '!'; b <= '~'; b++ {
		is[b] = b != ',' && b != '=' && b != '\\'
	}
	return is
}()

func isPlain(s string) bool {
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return s != ""
}

// named reports whether the names of a table and its columns are plain, and its tags in the order that InfluxDB wants.
func (e *encoder) named(t *abi.Table) bool {
	for i, c := range e.tags {
		if i > 0 && c.Name <= e.tags[i-1].Name {
			return false
		}
	}
	for i := range t.Columns {
		if !isPlain(t.Columns[i].Name) {
			return false
		}
	}
	return isPlain(t.Name)
}

// plain writes a row as row does, unless something in it isn't plain.
func (e *encoder) plain(t *abi.Table, row int) (written, complete, ok bool) {
	line := append(e.line[:0], t.Name...)
	for _, c := range e.tags {
		v := rows.Text(c, row)
		if v == "" {
			continue
		}
		if !isPlain(v) {
			return false, false, false
		}
		line = append(append(append(append(line, ','), c.Name...), '='), v...)
	}
	complete = true
	before := byte(' ')
	for _, c := range e.fields {
		if !rows.Has(c, row) {
			continue
		}
		v, ok := value(c, row)
		if complete = complete && ok; ok {
			line = append(append(append(line, before), c.Name...), '=')
			if v.Kind() == lineprotocol.Float {
				line = appendFloat(line, v.FloatV())
			} else {
				line = v.AppendBytes(line)
			}
			before = ','
			written = true
		}
	}
	e.line = line // its room is used again
	if !written {
		return false, false, true
	}
	if t.Times != nil {
		at := t.Times[row]
		if at < math.MinInt64/2 || at > math.MaxInt64/2 { // the library knows which are too far away
			return false, false, false
		}
		line = strconv.AppendInt(append(line, ' '), at, 10)
	}
	e.line = append(line, '\n')
	return true, complete, true
}

// appendFloat appends a number as the library writes it. Of a number with few decimals it finds them itself, which takes a quarter of the
// time: two different decimal numbers of at most 15 digits are never the same floating-point number, so no shorter one is this one.
func appendFloat(line []byte, f float64) []byte {
	const power = 1000
	size := math.Abs(f)
	if !(size < 1e6) { // from there on it has an exponent
		return strconv.AppendFloat(line, f, 'g', -1, 64)
	}
	n := int64(size*power + 0.5)
	if n == 0 || float64(n)/power != size {
		return strconv.AppendFloat(line, f, 'g', -1, 64)
	}
	if f < 0 {
		line = append(line, '-')
	}
	line = strconv.AppendInt(line, n/power, 10)
	rest := n % power
	if rest == 0 {
		return line
	}
	line = append(line, '.', '0'+byte(rest/100), '0'+byte(rest/10%10), '0'+byte(rest%10))
	for line[len(line)-1] == '0' {
		line = line[:len(line)-1]
	}
	return line
}
