package wall

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// linkFile is the file descriptor of the child's end of the link. Over it the parent sends one order. The child sends entered,
// with the listener of its filter, and later whatever it reports.
const linkFile = 3

// order tells the child how to enter.
type order struct {
	Walled bool   `json:"walled"`
	Waits  bool   `json:"waits"` // for another message before it goes on
	Bounds bounds `json:"bounds"`
}

// entered says what the child has done.
type entered struct {
	Layers []Layer `json:"layers"`
}

// maxMessage is the size, in bytes, of the largest message on the link.
const maxMessage = 64 << 10

// Inside is a process that is behind the wall.
type Inside struct{ link int }

// Enter completes the wall around the calling process, which must have been started by Run. It blocks until the parent is ready.
// Code that isn't trusted may run only after it.
func Enter() (*Inside, error) {
	unix.CloseOnExec(linkFile)
	closeInherited()
	text := make([]byte, maxMessage)
	n, err := ignoringInterrupts(func() (int, error) { return unix.Read(linkFile, text) })
	if err != nil {
		return nil, fmt.Errorf("enter: %w", err)
	}
	var o order
	if err := json.Unmarshal(text[:n], &o); err != nil {
		return nil, fmt.Errorf("enter: %w", err)
	}
	done := entered{}
	listener := -1
	if o.Walled {
		done.Layers = append(done.Layers, limit(o.Bounds))
		listener, err = install(os.Getpid())
		done.Layers = append(done.Layers, filterLayer(listener, err))
	}
	in := &Inside{linkFile}
	if err := in.send(done, listener); err != nil {
		return nil, err
	}
	if listener >= 0 {
		unix.Close(listener) // or code in here could let its own calls pass
	}
	if o.Waits {
		if n, err := ignoringInterrupts(func() (int, error) { return unix.Read(linkFile, text) }); err != nil || string(text[:n]) != goMessage {
			return nil, ErrOpen
		}
	}
	return in, nil
}

// closeInherited closes the files that the parent has left open by mistake: those above the link that have outlived an exec.
func closeInherited() {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= linkFile {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}

func filterLayer(listener int, err error) Layer {
	if err != nil {
		return missing(Calls, err)
	}
	l := Layer{Name: Calls, InForce: true, Detail: "processes, signals, sockets, files"}
	if listener < 0 {
		l.Why, l.Remedy = "calls fail without being named", "use Linux 5.7 or later, and no other listener for system calls"
	}
	return l
}

// Report sends the parent what came out, as JSON of at most 64 KiB. It doesn't wait for the parent.
func (in *Inside) Report(result any) error { return in.send(result, -1) }

func (in *Inside) send(message any, file int) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return in.sendText(text, file)
}

func (in *Inside) sendText(text []byte, file int) error {
	var rights []byte
	if file >= 0 {
		rights = unix.UnixRights(file)
	}
	_, err := ignoringInterrupts(func() (int, error) { return 0, unix.Sendmsg(in.link, text, rights, nil, 0) })
	return err
}

func ignoringInterrupts(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
