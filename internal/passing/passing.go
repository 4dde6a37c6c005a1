// Package passing carries messages and open files between two processes of one server, over a socket pair.
//
// A message is a JSON value of at most MaxMessage bytes. On the wire it is the length, four bytes in big-endian order, followed
// by the value. The files of a message travel with its length, so that both sides agree which message they belong to (unix(7),
// SCM_RIGHTS). The kernel keeps passed files open until they are received, and closes them if nobody can receive them any more.
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

	"github.com/sohost/sohost/internal/fault"
	"golang.org/x/sys/unix"
)

const (
	// MaxMessage is the size in bytes of the largest message.
	MaxMessage = 16 << 20

	// MaxFiles is the maximum number of files with one message.
	MaxFiles = 64
)

// A Conn is one end of a socket pair. Send may be called from any goroutine, Receive from one at a time.
type Conn struct {
	socket *net.UnixConn
	stall  time.Duration // stallTimeout
	send   sync.Mutex    // guards writing to socket; held for a whole message
	paused atomic.Bool
}

// ErrPaused is returned by Receive after Pause.
var ErrPaused = errors.New("receiving is paused")

// ErrFilesLost is returned by Receive when this process could not take the files of a message, because it has as many open as it
// may have.
var ErrFilesLost = errors.New("receive: files are lost: too many are open")

// Pair returns the two ends of a socket pair, close-on-exec: for this process (New), for a child process (exec.Cmd.ExtraFiles), or
// to be passed on.
func Pair() (a, b *os.File, err error) {
	if err := fault.Error("pair", caller()); err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "pair"), os.NewFile(uintptr(fds[1]), "pair"), nil
}

// New makes a Conn of one end, and closes the file.
func New(end *os.File) (*Conn, error) {
	defer end.Close() // the Conn has a copy
	if err := fault.Error("socket", caller()); err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	c, err := net.FileConn(end)
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("socket pair: it is a %T", c)
	}
	return &Conn{socket: socket, stall: stallTimeout}, nil
}

// stallTimeout is how long a peer may receive nothing while its socket is full, or send nothing in the middle of a message while this
// end waits for its end because of a pause.
const stallTimeout = 20 * time.Second

// Send sends a message and copies of files; the caller still has to close its files. It blocks while the peer's socket is full,
// for at most 20 s: then it assumes that the peer hangs, and closes the Conn. The error matches unix.EPIPE or unix.ECONNRESET if
// the peer is gone, and os.ErrDeadlineExceeded if it hangs.
func (c *Conn) Send(message any, files ...*os.File) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if len(body) > MaxMessage || len(files) > MaxFiles {
		return fmt.Errorf("send: %d bytes and %d files, the limits are %d and %d", len(body), len(files), MaxMessage, MaxFiles)
	}
	if done, err := c.injectSend(body, &files); done {
		return err
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
	if err := c.socket.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	// The kernel sends the rights with the first byte of the length, whatever happens to the rest.
	n, _, err := c.socket.WriteMsgUnix(length, rights, nil)
	if err == nil {
		_, err = c.socket.Write(append(length[n:], body...))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.socket.Close() // it may be in the middle of a message
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// descriptor returns the descriptor of an open file. File.Fd would make it blocking for all processes that share it.
func descriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// Pause makes Receive return ErrPaused, always between two messages. If the peer stops in the middle of one, Receive fails after
// 20 s.
func (c *Conn) Pause() {
	c.paused.Store(true)
	c.socket.SetReadDeadline(time.Unix(1, 0))
}

// Resume ends a pause.
func (c *Conn) Resume() {
	c.paused.Store(false)
	c.socket.SetReadDeadline(time.Time{})
}

// File returns a copy of the end, for a program that this process executes in its own place: see Pause.
func (c *Conn) File() (*os.File, error) { return c.socket.File() }

// read fills p. A pause that begins meanwhile has to wait until it is full, or the peer has stalled.
func (c *Conn) read(p []byte) error {
	var limit time.Time
	for len(p) > 0 {
		n, err := c.socket.Read(p)
		if p = p[n:]; errors.Is(err, os.ErrDeadlineExceeded) {
			if now := time.Now(); limit.IsZero() {
				limit = now.Add(c.stall)
			} else if !now.Before(limit) {
				return fmt.Errorf("the peer stopped in the middle of a message: %w", err)
			}
			err = c.socket.SetReadDeadline(limit)
		}
		if err != nil && len(p) > 0 {
			return err
		}
	}
	return nil
}

// Receive waits for a message, decodes it and returns its files, close-on-exec. The caller must close them. The error is io.EOF if
// the peer is gone or Close was called. With ErrFilesLost the message is decoded all the same, and the next one can be received.
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
	n, nr, flags, _, err := c.socket.ReadMsgUnix(length, rights)
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
		if err := c.injectReceive(body); err != nil {
			return files, err
		}
		if flags&unix.MSG_CTRUNC != 0 {
			return files, ErrFilesLost
		}
		return files, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, net.ErrClosed):
		return files, io.EOF // also if the peer was killed in the middle of a message
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
			unix.CloseOnExec(fd) // ReadMsgUnix asks for it already
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

// MemoryFile creates a file that is in no directory and is gone once nobody has it open.
func MemoryFile(name string) (*os.File, error) {
	if err := fault.Error("memory file", name); err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Close closes the end. The peer's Receive returns io.EOF once it has received what was sent.
func (c *Conn) Close() error { return c.socket.Close() }

// Close closes received files that are not needed.
func Close(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
