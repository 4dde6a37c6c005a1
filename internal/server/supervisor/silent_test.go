package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// TestGiverSilent has givers that never say how a handover ended, with a taker that ends and one that is killed at the limit. In the
// end the giver is ended, too, and another worker boots.
func TestGiverSilent(t *testing.T) {
	t.Parallel()
	for _, takerEnds := range []bool{true, false} {
		st := newStage(t, func(o *Options, l *limits) {
			l.grace, l.death = 20*time.Millisecond, never
			if !takerEnds {
				o.HandoverTimeout = time.Second // the giver has given by then
			}
		})
		giver := st.start()
		handing := st.handover(control.HandoverRequest{})
		taker := st.worker()
		giver.give()
		if takerEnds {
			taker.exit(1)
		}
		if !giver.order().Abort {
			t.Error("the giver is not told to abort")
		}
		taker.gone()
		giver.gone()
		if a, _ := receive(t, handing, "answer"); a.err == nil || !strings.Contains(a.err.Error(), "didn't say how the handover ended") {
			t.Errorf("the answer is %+v, %v", a.h, a.err)
		}
		next := st.worker()
		if start := next.began.Order.Start; start.Takes || len(start.Crashes) != 1 ||
			!strings.Contains(start.Crashes[0].Why, "didn't say how the handover ended") {
			t.Errorf("the next worker is told %+v", start)
		}
		next.serve(2)
		st.await(func(s control.Status) bool { return s.Worker != nil && s.Worker.PID == next.pid })
	}
}

// TestReportsTwice has a giver that answers an order twice. The second answer isn't taken for that on the next order.
func TestReportsTwice(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(_ *Options, l *limits) { l.last = 0 })
	giver := st.start()
	no := worker.Word{Given: &worker.Given{Error: "no"}}
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	for range 3 {
		giver.say(no)
	}
	if a, _ := receive(t, handing, "answer"); a.err == nil || a.err.Error() != "no" {
		t.Errorf("the answer is %v", a.err)
	}
	taker.gone()
	giver.do(command{Status: 200, Body: statusOf(1)})
	giver.say(worker.Word{Ask: &worker.Ask{ID: 5}}) // by whose handover all that was said before is known
	taker = st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	if o := giver.order(); o.Answer == nil || o.Answer.Error != "" {
		t.Errorf("the second handover ends with %+v", o.Answer)
	}
}

// TestStopsInTime stops servers whose workers do nothing that they are told, at each point of a handover. They are gone once the
// shutdown timeout and the grace are over.
func TestStopsInTime(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"alone", "in a handover", "after a handover", "before it serves"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, func(o *Options, l *limits) {
				o.Start.ShutdownTimeout, l.grace, l.death = 50*time.Millisecond, 50*time.Millisecond, never
			})
			if point == "before it serves" {
				st.run()
				st.worker()
				st.stop()
				if err := st.end(); err != nil {
					t.Errorf("the server ends with %v", err)
				}
				return
			}
			giver := st.start()
			if point != "alone" {
				handing := st.handover(control.HandoverRequest{})
				taker := st.worker()
				giver.give()
				if point == "after a handover" {
					taker.serve(2)
					giver.given(taker)
					receive(t, handing, "answer")
				}
			}
			st.stop()
			st.end()
			giver.gone()
		})
	}
}
