package passing

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/fault"
)

// injectSend lets a test decide about a message. It reports whether Send is done.
func (c *Conn) injectSend(body []byte, files *[]*os.File) (done bool, err error) {
	if !fault.On() {
		return false, nil
	}
	switch action, stall := fault.At("send", nameOf(body)); action {
	case fault.None:
		return false, nil
	case fault.NoFiles:
		*files = nil
		return false, nil
	case fault.Lose:
		return true, nil
	case fault.Die:
		fault.Kill()
	case fault.Stall: // as if the peer's socket were full
		time.Sleep(stall)
		c.Close()
		return true, fmt.Errorf("send: %w", os.ErrDeadlineExceeded)
	}
	return true, fmt.Errorf("send: %w", fault.Err)
}

// injectReceive lets a test decide about a message that has arrived.
func (c *Conn) injectReceive(body []byte) error {
	if !fault.On() {
		return nil
	}
	switch action, stall := fault.At("receive", nameOf(body)); action {
	case fault.None:
		return nil
	case fault.NoFiles:
		return ErrFilesLost
	case fault.Die:
		fault.Kill()
	case fault.Stall:
		time.Sleep(stall)
		return nil
	}
	return fmt.Errorf("receive: %w", fault.Err)
}

// nameOf returns the name of a message: that of its first field.
func nameOf(body []byte) string {
	name, _, _ := strings.Cut(strings.TrimLeft(string(body), `{"`), `"`)
	return name
}

// caller returns the function that has called a function of this package.
func caller() string {
	if !fault.On() {
		return ""
	}
	pc, _, _, _ := runtime.Caller(2)
	name := runtime.FuncForPC(pc).Name()
	return name[strings.LastIndexByte(name, '/')+1:]
}

// Pipe is os.Pipe. What it is for is a name for tests.
func Pipe(what string) (r, w *os.File, err error) {
	if err := fault.Error("pipe", what); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return os.Pipe()
}
