package wall

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Messages on the link that aren't JSON objects. All that a child gets after its order is one of goMessage, and then its task.
const (
	goMessage    = "go"      // to a child that waits for it: see order
	begunMessage = `"begun"` // from a child that has all of its task
)

// A task is sent in parts, since a message has a limit. The first byte of each says whether it is the last.
const (
	morePart = '+'
	lastPart = '.'
	maxPart  = maxMessage - 1
)

// tell sends the child its task, as soon as it is behind the wall. It ends when the link is closed.
func (c *child) tell(task []byte) {
	<-c.admitted
	for {
		kind, n := byte(lastPart), len(task)
		if n > maxPart {
			kind, n = morePart, maxPart
		}
		if _, err := c.link.Write(append([]byte{kind}, task[:n]...)); err != nil || kind == lastPart {
			return // a child that is gone needs none
		}
		task = task[n:]
	}
}

// Task returns what the parent wants done: see Child.Wait. It blocks until the parent says so. The error says that the parent is gone.
// From then on the parent takes the end of this process for the doing of the task.
func (in *Inside) Task() (task []byte, err error) {
	part := make([]byte, maxMessage)
	for {
		n, err := ignoringInterrupts(func() (int, error) { return unix.Read(in.link, part) })
		if err == nil && n == 0 {
			err = fmt.Errorf("the parent is gone")
		}
		if err != nil {
			return nil, fmt.Errorf("task: %w", err)
		}
		task = append(task, part[1:n]...)
		if part[0] == lastPart {
			return task, in.sendText([]byte(begunMessage), -1)
		}
	}
}
