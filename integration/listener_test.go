package integration

import (
	"fmt"
	"testing"

	"github.com/sohost/sohost/internal/sockets/socketstest"
)

// TestListener reloads a plugin that has a port of its own 20 times, and hands it over 5 times, under load. Each request is answered
// through that port, by the generation that the server calls.
func TestListener(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"LISTENER=" + socketstest.Free(t)}
	s := p.startStateful(t, "listener")
	images := []string{s.src.build()}
	s.src.edit("listener.go", "func main() {}", fmt.Sprintf("const build = %d\n\nfunc main() {}", 1))
	s.src.edit("listener.go", "has the port, and", "has the port, but")
	images = append(images, s.src.build())
	load := startLoad(4, *steady, get(s.url+"/listener"))
	for i := range repeated(20) {
		s.swap(images[(i+1)%2])
		if i%4 == 3 {
			s.handover(load)
		}
	}
	load.end(t)
}
