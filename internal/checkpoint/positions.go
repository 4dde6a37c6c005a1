package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/sohost/sohost/internal/state"
)

// Positions are up to where writes are in a state: for each trigger of the plugin, by name, the number of the last one that it has handled.
// They are in the checkpoint's file, so that what a restart restores and what it delivers again always fit together.
type Positions map[string]uint64

// A checkpoint with positions ends with them: their JSON, its length and checksum, and the mark.
const (
	positionsMark = "sohostAt"
	tailSize      = 4 + 4 + len(positionsMark)
	mostPositions = 16 << 20 // bytes
)

// write appends the positions to a stream. Without any, nothing is appended.
func (p Positions) write(w io.Writer) error {
	if len(p) == 0 {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint32(text, uint32(len(text)))
	end = binary.LittleEndian.AppendUint32(end, crc32.ChecksumIEEE(text))
	_, err = w.Write(append(end, positionsMark...))
	return err
}

// Split returns the state in a file of size bytes, and the positions after it; nil if there are none. Damage is state.ErrCorrupt.
func Split(file io.ReaderAt, size int64) (stream *io.SectionReader, p Positions, err error) {
	stream = io.NewSectionReader(file, 0, size)
	tail := make([]byte, tailSize)
	if size < int64(tailSize) {
		return stream, nil, nil
	}
	if _, err := file.ReadAt(tail, size-int64(tailSize)); err != nil {
		return nil, nil, err
	}
	if string(tail[8:]) != positionsMark {
		return stream, nil, nil
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	begin := size - int64(tailSize) - length
	if length > mostPositions || begin < 0 {
		return nil, nil, fmt.Errorf("%w: positions of %d bytes", state.ErrCorrupt, length)
	}
	text := make([]byte, length)
	if _, err := file.ReadAt(text, begin); err != nil {
		return nil, nil, err
	}
	if crc32.ChecksumIEEE(text) != binary.LittleEndian.Uint32(tail[4:]) {
		return nil, nil, fmt.Errorf("%w: the checksum of the positions", state.ErrCorrupt)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, nil, fmt.Errorf("%w: positions: %w", state.ErrCorrupt, err)
	}
	return io.NewSectionReader(file, 0, begin), p, nil
}
