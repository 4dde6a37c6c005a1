package passing

import (
	"os"
	"time"

	"github.com/sohost/sohost/internal/fault"
)

// Patient reads from a pipe or writes to it, for as long as that takes. An error is returned when the other end does nothing for longer
// than Patience.
type Patient struct {
	Pipe     *os.File
	Patience time.Duration
}

// Read implements io.Reader.
func (p Patient) Read(b []byte) (int, error) {
	p.Pipe.SetReadDeadline(time.Now().Add(p.Patience)) // fails only if the pipe is closed
	return p.Pipe.Read(b)
}

// Write implements io.Writer.
func (p Patient) Write(b []byte) (int, error) {
	if err := fault.Error("write", "pipe"); err != nil {
		return 0, err
	}
	p.Pipe.SetWriteDeadline(time.Now().Add(p.Patience)) // as above
	return p.Pipe.Write(b)
}
