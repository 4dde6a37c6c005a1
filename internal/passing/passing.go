// Package passing carries messages and open files between two processes of one server, over a socket pair.
//
// A message is a JSON value of at most MaxMessage bytes. On the wire it is its length, four bytes in big-endian order, and
// then the value; the files of a message travel with its length, so that both sides agree which message they belong to
// (unix(7), SCM_RIGHTS). The kernel keeps passed files open until they are received, and closes them when nobody will.
package passing

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// MaxMessage is the size of the largest message.
	MaxMessage = 16 << 20

	// MaxFiles is how many files go with one message.
	MaxFiles = 8
)

// Conn is one end. Send may be called from any goroutine, Receive from one at a time.
type Conn struct {
	socket *net.UnixConn
	send   sync.Mutex // held for a whole message
	paused atomic.Bool
}

// ErrPaused is returned by Receive after Pause.
var ErrPaused = errors.New("receiving is paused")

// Pair makes two ends that are joined, close-on-exec: one for this process (New) or for a child (exec.Cmd.ExtraFiles), or
// both to be passed on.
func Pair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "pair"), os.NewFile(uintptr(fds[1]), "pair"), nil
}

// New makes a Conn of one end, which it takes over.
func New(end *os.File) (*Conn, error) {
	defer end.Close() // the Conn has a copy
	c, err := net.FileConn(end)
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("socket pair: it is a %T", c)
	}
	return &Conn{socket: socket}, nil
}

// sendTimeout is how long a peer may leave unreceived what fills its socket.
const sendTimeout = 20 * time.Second

// Send sends a message and copies of files, which stay the caller's to close. It blocks while the peer has much to receive
// yet, at most for 20 s: then the peer has hung, and the Conn is closed. The error matches unix.EPIPE or unix.ECONNRESET when
// the peer is gone, os.ErrDeadlineExceeded when it has hung.
func (c *Conn) Send(message any, files ...*os.File) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if len(body) > MaxMessage || len(files) > MaxFiles {
		return fmt.Errorf("send: %d bytes and %d files, the limits are %d and %d", len(body), len(files), MaxMessage, MaxFiles)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			if fds[i], err = descriptor(f); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		rights = unix.UnixRights(fds...)
	}
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.socket.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	// The kernel takes the rights with the first byte of the length, whatever becomes of the rest.
	n, _, err := c.socket.WriteMsgUnix(length, rights, nil)
	if err == nil {
		_, err = c.socket.Write(append(length[n:], body...))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.socket.Close() // in the middle of a message, perhaps
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// descriptor is the number of an open file. Fd would make it blocking, for all processes that have it.
func descriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// Pause makes Receive return ErrPaused, before a message and never within one.
func (c *Conn) Pause() {
	c.paused.Store(true)
	c.socket.SetReadDeadline(time.Unix(1, 0))
}

// Resume ends a pause.
func (c *Conn) Resume() {
	c.paused.Store(false)
	c.socket.SetReadDeadline(time.Time{})
}

// File gives a copy of the end, for another program in this process's place: see Pause.
func (c *Conn) File() (*os.File, error) { return c.socket.File() }

// read fills p. A pause that begins meanwhile has to wait.
func (c *Conn) read(p []byte) error {
	for len(p) > 0 {
		n, err := c.socket.Read(p)
		if p = p[n:]; errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.socket.SetReadDeadline(time.Time{})
		}
		if err != nil && len(p) > 0 {
			return err
		}
	}
	return nil
}

// Receive waits for a message, decodes it and returns its files, close-on-exec, which are the caller's to close. The error is
// io.EOF when the peer is gone or Close was called.
func (c *Conn) Receive(message any) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			Close(files)
			files = nil
		}
	}()
	if c.paused.Load() {
		return nil, ErrPaused
	}
	length := make([]byte, 4)
	rights := make([]byte, unix.CmsgSpace(4*MaxFiles))
	n, nr, _, _, err := c.socket.ReadMsgUnix(length, rights)
	if nr > 0 {
		if files, err = filesOf(rights[:nr]); err != nil {
			return files, err
		}
	}
	if n <= 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, ErrPaused
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil {
		err = c.read(length[n:])
	}
	var body []byte
	if err == nil {
		size := binary.BigEndian.Uint32(length)
		if size > MaxMessage {
			return files, fmt.Errorf("receive: a message of %d bytes, the limit is %d", size, MaxMessage)
		}
		body = make([]byte, size)
		err = c.read(body)
	}
	switch {
	case err == nil:
		if err := json.Unmarshal(body, message); err != nil {
			return files, fmt.Errorf("receive: %w", err)
		}
		return files, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, net.ErrClosed):
		return files, io.EOF // a peer that was killed in the middle of a message is gone, too
	}
	return files, fmt.Errorf("receive: %w", err)
}

func filesOf(rights []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("receive files: %w", err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, fmt.Errorf("receive files: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd) // Go's ReadMsgUnix asks for it already
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

// MemoryFile makes a file that is in no directory, and gone when nobody has it open any more.
func MemoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Close closes the end. The peer's Receive returns io.EOF once it has received what was sent.
func (c *Conn) Close() error { return c.socket.Close() }

// Close closes files that were received and are of no use.
func Close(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
