package worker

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/sohost/sohost/internal/passing"
)

// handOver has c hand over to a new worker.
func (p *place) handOver(c *child) *child {
	p.t.Helper()
	states, theirStates := pair(p.t)
	connections, theirConnections := pair(p.t)
	taker := p.start(nil, theirStates, theirConnections)
	c.order(Order{Room: true})
	c.order(Order{Give: &Give{}}, states, connections)
	for _, f := range []*os.File{states, connections, theirStates, theirConnections} {
		f.Close()
	}
	c.isGiven()
	taker.serving()
	return taker
}

func (c *child) isGiven() {
	c.t.Helper()
	if w := receive(c.t, c.words, "word"); w.Given == nil || w.Given.Handover == nil {
		c.t.Fatalf("the giver says %+v", w.Given)
	}
}

// begin sends a request up to its last line.
func (c *client) begin(path string) { fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: example.com\r\n", path) }

// finish sends the last line of a request, and reads the answer.
func (c *client) finish(t *testing.T, path string) {
	t.Helper()
	io.WriteString(c, "\r\n")
	c.read(t, path)
}

// TestChain hands over three times while each worker has a request. All are answered, whichever ends first, and a worker is gone as
// soon as it has answered its own.
func TestChain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	workers := []*child{p.start(nil)}
	workers[0].serving()
	var clients []*client
	for i := range 3 {
		c, path := dial(t, p), fmt.Sprintf("/%d", i)
		c.get(t, path) // so that this worker has accepted it
		c.begin(path)
		clients = append(clients, c)
		get(t, p.url) // so that it has the request as well
		workers = append(workers, p.handOver(workers[i]))
	}
	for _, i := range []int{1, 0, 2} { // the one in the middle first
		path := fmt.Sprintf("/%d", i)
		clients[i].finish(t, path)
		workers[i].ends(0)
		clients[i].get(t, path) // from the last worker
	}
	workers[3].order(Order{Finish: true})
	workers[3].ends(0)
}

// TestThrough has a worker from before that isn't led on, such as an older program. Its connections and requests pass through the
// worker that has given its plugins on, which waits for it.
func TestThrough(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first := p.start(nil)
	first.serving()
	states, theirStates := pair(t)
	connections, theirConnections := pair(t)
	ours, old := pair(t) // in the place of connections: this test is the old worker
	second := p.start(nil, theirStates, old)
	first.order(Order{Give: &Give{}}, states, connections)
	for _, f := range []*os.File{states, connections, theirStates, theirConnections, old} {
		f.Close()
	}
	first.isGiven()
	second.serving()
	first.ends(0)
	third := p.handOver(second)

	before := conn(t, ours)
	var led passed
	if _, err := before.Receive(&led); err != nil || !led.Answers { // an older program ignores that
		t.Fatalf("the old worker is told %+v, %v", led, err)
	}
	led = passed{}
	files, err := before.Receive(&led)
	if err != nil || !led.Onward || len(files) != 1 {
		t.Fatalf("the old worker is told %+v with %d files, %v", led, len(files), err)
	}
	passing.Close(files) // it doesn't follow
	c, err := connectTo(t.Context(), newOffers(before))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		fmt.Fprintf(c, "GET /x HTTP/1.1\r\nHost: example.com\r\n%s: 192.0.2.7:1\r\n\r\n", clientHeader)
		(&client{c, bufio.NewReader(c)}).read(t, "/x")
	}
	passedOn, err := connect(func(f *os.File) error { return before.Send(passed{}, f) })
	if err != nil {
		t.Fatal(err)
	}
	defer passedOn.Close()
	(&client{passedOn, bufio.NewReader(passedOn)}).get(t, "/y")
	before.Close()
	second.ends(0)
	third.order(Order{Finish: true})
	third.ends(0)
}

// TestTakerIsGone loses the taker after the handover. Idle connections of the giver are closed; a request that runs there is answered,
// here by the word that nobody has the plugins.
func TestTakerIsGone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	giver := p.start(nil)
	giver.serving()
	slow := dial(t, p)
	slow.get(t, "/slow")
	slow.begin("/slow")
	get(t, p.url)
	taker := p.handOver(giver)
	taker.kill()
	receive(t, taker.exited, "end of the taker")
	io.WriteString(slow, "\r\n")
	resp, err := http.ReadResponse(slow.r, nil)
	if err != nil || resp.StatusCode != http.StatusBadGateway {
		t.Fatalf("the request that ran gets %+v, %v", resp, err)
	}
	io.Copy(io.Discard, resp.Body)
	if _, err := slow.r.ReadByte(); err != io.EOF {
		t.Errorf("then the connection has %v, want its end", err)
	}
	giver.ends(0)
}
