package worker

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/passing"
)

// TestFull hands over with more clients than a worker may have files open. Each taker is full of clients that waited to be accepted, and
// leaves the idle ones of its giver there. Those are served, and nobody is cut off.
func TestFull(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.files = 64
	first := p.start(nil)
	first.serving()
	var clients []*client
	for i := range 170 {
		c := dial(t, p)
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: example.com\r\n\r\n", i)
		clients = append(clients, c)
	}
	clients[0].read(t, "/0")
	second := p.handOver(first)
	third := p.handOver(second)
	last := p.handOver(third)
	for i, c := range clients { // in the order in which they are accepted
		path := fmt.Sprintf("/%d", i)
		if i > 0 {
			c.read(t, path)
		}
		c.get(t, path)
		c.Close()
	}
	for _, c := range []*child{first, second, third} {
		c.ends(0)
	}
	last.order(Order{Finish: true})
	last.ends(0)
	for _, c := range []*child{first, second, third, last} {
		if strings.Contains(c.stderr.String(), "lost") || strings.Contains(c.stderr.String(), "take over a connection") {
			t.Errorf("a worker logged:\n%s", c.stderr)
		}
	}
}

// TestOffers offers files to a process that takes some, leaves some, and is gone.
func TestOffers(t *testing.T) {
	a, b := pair(t)
	giver, taker := conn(t, a), conn(t, b)
	o := newOffers(giver)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	take := func() (p passed) {
		received, err := taker.Receive(&p)
		if err != nil || len(received) != 1 {
			t.Errorf("offered %+v with %d files, %v", p, len(received), err)
		}
		passing.Close(received)
		return p
	}
	if err := o.make(passed{}, f); err != nil {
		t.Fatal(err)
	}
	if p := take(); p.Offer != 0 {
		t.Errorf("a taker that doesn't answer is offered %+v", p)
	}
	o.answered.Store(true)
	for _, taken := range []bool{true, false} {
		made := make(chan error, 1)
		go func() { made <- o.make(passed{}, f) }()
		n := take().Offer
		o.answer(offerAnswer{Offer: n + 1, Taken: !taken}) // to nobody
		o.answer(offerAnswer{Offer: n, Taken: taken})
		if err := receive(t, made, "end of the offer"); (err == nil) != taken {
			t.Errorf("with the answer %v the offer ends with %v", taken, err)
		}
	}
	made := make(chan error, 1)
	go func() { made <- o.make(passed{}, f) }()
	take()
	o.end() // the taker may have it
	if err := receive(t, made, "end of the offer"); err != nil || len(o.waiting) != 0 {
		t.Errorf("without an answer the offer ends with %v, and %d wait", err, len(o.waiting))
	}
}

// TestInletFull leaves what doesn't fit: the answer says so, and nothing stays open.
func TestInletFull(t *testing.T) {
	a, b := pair(t)
	giver := conn(t, a)
	served := 0
	i := newInlets(func(passed, *os.File) error { served++; return nil }, nil)
	room := false
	i.room = func(*os.File, files.Share) bool { return room }
	i.add(conn(t, b))
	defer i.close()
	for n, has := range []bool{false, true} {
		room = has
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		if err := giver.Send(passed{Offer: uint64(n + 1)}, f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		var p passed
		if _, err := giver.Receive(&p); err != nil || p.Answer == nil || p.Answer.Taken != has {
			t.Errorf("with room %v the answer is %+v, %v", has, p.Answer, err)
		}
	}
	if served != 1 {
		t.Errorf("%d are served", served)
	}
}
