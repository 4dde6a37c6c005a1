package supervisor

import (
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// TestLife says what orders have to wait for before a worker serves, and that nothing keeps them afterwards.
func TestLife(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	if l := st.s.Life(); l.Why != "no worker serves yet" || l.PID == 0 {
		t.Errorf("before there is a worker: %+v", l)
	}
	st.run()
	p := st.worker()
	progress := sohost.BootProgress{Done: 1, Total: 2, Pending: []string{"a"}}
	p.say(worker.Word{Booting: &progress})
	st.await(func(s control.Status) bool { return s.Booting != nil })
	if l := st.s.Life(); l.Why != "no worker serves yet: "+progress.String() {
		t.Errorf("while one boots: %+v", l)
	}
	p.serve(1)
	st.await(func(s control.Status) bool { return s.Worker != nil })
	if l := st.s.Life(); l.Why != "" {
		t.Errorf("while one serves: %+v", l)
	}
}
