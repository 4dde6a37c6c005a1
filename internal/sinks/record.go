package sinks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// chunk is some lines of line protocol that are sent together.
type chunk struct {
	lines int
	text  []byte
}

// chunkSize is how many bytes of text a chunk has, if its last line fits.
const chunkSize = 64 << 10

// record is what one Write adds to a spool.
type record struct {
	chunks []chunk
	lines  int
}

// add adds rows. Those without a time get that of the call. It returns how many rows lack something that line protocol can't express.
func (r *record) add(tables []abi.Table) (lacking int) {
	return lineprotocol.Each(dated(tables), func(line []byte) {
		if n := len(r.chunks); n == 0 {
			r.chunks = append(r.chunks, chunk{})
		} else if len(r.chunks[n-1].text)+len(line) > chunkSize {
			r.chunks = append(r.chunks, chunk{text: make([]byte, 0, chunkSize)})
		}
		c := &r.chunks[len(r.chunks)-1]
		c.text = append(c.text, line...)
		c.lines++
		r.lines++
	})
}

// write writes rows to a text, as record.add does, and returns how many lines they are.
func write(text *bytes.Buffer, tables []abi.Table) (lines, lacking int) {
	lacking = lineprotocol.Each(dated(tables), func(line []byte) {
		text.Write(line)
		lines++
	})
	return lines, lacking
}

// dated returns tables of which all rows have a time.
func dated(tables []abi.Table) []abi.Table {
	all := make([]abi.Table, len(tables))
	now := time.Now().UnixNano()
	for i, t := range tables {
		if t.Times == nil {
			t.Times = make([]int64, rows.Len(&t))
			for row := range t.Times {
				t.Times[row] = now
			}
		}
		all[i] = t
	}
	return all
}

// encode returns the record as bytes: for each chunk the numbers of its lines and bytes, and the text.
func (r *record) encode() (b []byte) {
	for _, c := range r.chunks {
		b = binary.AppendUvarint(b, uint64(c.lines))
		b = binary.AppendUvarint(b, uint64(len(c.text)))
		b = append(b, c.text...)
	}
	return b
}

var errRecord = errors.New("a record of the spool is not one of this program")

// decode returns the chunks of a record.
func decode(b []byte) (chunks []chunk, err error) {
	for len(b) > 0 {
		lines, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errRecord
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errRecord
		}
		chunks = append(chunks, chunk{int(lines), b[n : n+int(size)]})
		b = b[n+int(size):]
	}
	return chunks, nil
}
