package wall

import (
	"encoding/json"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// receive takes what the child sends, and serves its filter, until the child's end of the link is closed.
func (c *child) receive(harm chan<- string, mustHold bool) {
	var serving sync.WaitGroup
	var listener *os.File
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	first := true
	for ; ; first = false {
		n, rn, _, _, err := c.link.ReadMsgUnix(text, rights)
		file := receivedFile(rights[:rn])
		if file != nil && (!first || err != nil || n == 0) { // later messages are an image's
			file.Close()
		}
		if err != nil || n == 0 {
			break
		}
		if !first {
			if string(text[:n]) == begunMessage && !c.begun {
				c.begun = true
			} else {
				c.report = append([]byte(nil), text[:n]...)
			}
			continue
		}
		var e entered
		if json.Unmarshal(text[:n], &e) == nil {
			c.mu.Lock()
			c.inside = e.Layers
			c.mu.Unlock()
		}
		if mustHold && Holds(c.all()) {
			c.link.Write([]byte(goMessage)) // otherwise the child ends without it
		} else if mustHold {
			c.open = true
			c.link.CloseWrite()
		}
		close(c.admitted)
		if listener = file; listener != nil {
			c.judge = newJudge(c.writable(), harm)
			serving.Go(func() { c.judge.serve(listener) })
		}
	}
	if first {
		close(c.admitted) // or tell would wait for ever
	}
	if listener != nil {
		listener.Close()
	}
	serving.Wait()
}

// writable returns the folder that the child may write to, "" if nothing but the filter would keep it there.
func (c *child) writable() string {
	for _, l := range c.layers {
		if l.Name == Landlock && l.InForce {
			return c.scratch
		}
	}
	return ""
}

func receivedFile(rights []byte) *os.File {
	var files []int
	messages, _ := unix.ParseSocketControlMessage(rights)
	for i := range messages {
		some, _ := unix.ParseUnixRights(&messages[i])
		files = append(files, some...)
	}
	for i, file := range files {
		unix.CloseOnExec(file)
		if i > 0 || unix.SetNonblock(file, true) != nil { // so that a closed file ends the wait for it
			unix.Close(file)
			files[i] = -1
		}
	}
	if len(files) == 0 || files[0] < 0 {
		return nil
	}
	return os.NewFile(uintptr(files[0]), "system calls of a child")
}
