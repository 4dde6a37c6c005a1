package watch

import (
	"path/filepath"
	"testing/synctest"
)

// kernel stands in for inotify where a test needs a time of its own: records come from the test.
type kernel struct {
	events chan []record
	wds    map[string]int32
	adding func(dir string)
	err    error // of add
	served error
}

func newKernel() *kernel {
	return &kernel{events: make(chan []record), wds: make(map[string]int32), adding: func(string) {}}
}

func (k *kernel) source() source {
	return source{
		events: k.events,
		add: func(dir string, _ uint32) (int32, error) {
			k.adding(dir)
			if k.wds[dir] == 0 {
				k.wds[dir] = int32(len(k.wds) + 1)
			}
			return k.wds[dir], k.err
		},
		remove: func(int32) {},
		serves: func(point) error { return k.served },
		close:  func() {},
	}
}

// report sends a record about path, when all is done that came before.
func (k *kernel) report(path string, mask uint32) {
	synctest.Wait()
	k.events <- []record{{wd: k.wds[filepath.Dir(path)], mask: mask, name: filepath.Base(path)}}
}
