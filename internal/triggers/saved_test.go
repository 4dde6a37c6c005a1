package triggers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnsaved changes triggers while the store can't be written. What was ordered holds, Status says why it isn't saved, and it is saved as
// soon as it can be. A trigger that can't be saved isn't added.
func TestUnsaved(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "every:1h"}, Trigger{Spec: "write:a"})
		file := r.store.Folder(stateFolder).Path(stateFile)
		if err := r.Add("p", nil, r.resolve(Trigger{Spec: "write:b"})); err != nil {
			t.Fatal(err)
		}
		r.jam(file)
		if err := r.Disable(Key{"p", "every-1h"}); err != nil || r.status("every-1h").State != Disabled {
			t.Errorf("disable: %v, %+v", err, r.status("every-1h"))
		}
		if err := r.Remove(Key{"p", "write-b"}); err != nil || len(r.Status()) != 2 {
			t.Errorf("remove: %v, %+v", err, r.Status())
		}
		if err := r.Add("p", nil, r.resolve(Trigger{Spec: "write:c"})); err == nil || len(r.Status()) != 2 {
			t.Errorf("add: %v, %+v", err, r.Status())
		}
		for _, s := range r.Status() {
			if s.Unsaved == "" {
				t.Errorf("nobody is told: %+v", s)
			}
		}
		time.Sleep(5 * saveDelay)
		if n := strings.Count(r.log.String(), "can't be saved"); n != 1 {
			t.Errorf("it was logged %d times:\n%s", n, &r.log)
		}
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * saveDelay)
		synctest.Wait()
		if why := r.Unsaved(); why != "" {
			t.Errorf("it isn't tried again: %s", why)
		}
		saved, err := Load(r.store.Folder)
		if err != nil || len(saved.Triggers) != 2 || saved.Triggers[0].Disabled == "" {
			t.Errorf("saved: %+v, %v", saved, err)
		}
		r.end()
	})
}

// jam has a file not be written any more: it is a folder now, with something in it.
func (r *rig) jam(file string) {
	r.t.Helper()
	if err := os.Remove(file); err != nil {
		r.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "x"), 0o700); err != nil {
		r.t.Fatal(err)
	}
}
