package build

import (
	"os"
	"sync"

	"github.com/sohost/sohost/native"
)

// readProcess begins to read the host, and returns a function that waits for it. The go command is busy meanwhile.
func readProcess(file string) func() (*native.Process, error) {
	type answer struct {
		process *native.Process
		err     error
	}
	read := make(chan answer, 1)
	go func() {
		p, err := processes.of(file)
		read <- answer{p, err}
	}()
	return func() (*native.Process, error) {
		a := <-read
		return a.process, a.err
	}
}

// processes keeps what the last host's file says, which takes some 70 ms to read: sohost dev builds for the same one each time.
var processes processCache

type processCache struct {
	mu      sync.Mutex // guards the fields below
	file    string
	is      os.FileInfo     // the file, when it was read
	process *native.Process // nil until one was read
}

func (c *processCache) of(file string) (*native.Process, error) {
	c.mu.Lock() // builds that begin together need the same one
	defer c.mu.Unlock()
	is, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if c.process != nil && c.file == file && os.SameFile(c.is, is) && c.is.Size() == is.Size() && c.is.ModTime().Equal(is.ModTime()) {
		return c.process, nil
	}
	p, err := native.ProcessOf(file)
	if err != nil {
		return nil, err
	}
	c.file, c.is, c.process = file, is, p
	return p, nil
}
