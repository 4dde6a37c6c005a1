package sohost

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/sohost/sohost/internal/sockets"
)

// ownWaiting returns those requests that wait at a gate and were made by this process itself, most likely by a plugin. If what a
// drain waits for are calls that wait for such a request, they wait for themselves.
func (h *Host) ownWaiting() (own []request) {
	var inodes map[string]bool
	for _, q := range h.waiting.all() {
		client, err := netip.ParseAddrPort(q.remote)
		if err != nil { // a unix socket's
			continue
		}
		inode, ok := sockets.Of(client)
		if !ok {
			continue // of another machine
		}
		if inodes == nil {
			inodes = sockets.Own()
		}
		if inodes[inode] {
			own = append(own, q)
		}
	}
	return own
}

// selfCallError is why a drain was given up early: it seems to wait for calls that wait for it.
type selfCallError struct{ waiting []request }

func (e *selfCallError) Error() string {
	q := e.waiting[0]
	return fmt.Sprintf("as many requests that the server has sent to itself wait for them, such as %s %s: "+
		"while state moves a plugin can't call itself or another one whose state moves, too", shown(q.method), shown(q.path))
}

// selfCallPatience is how long a drain has waited before it is looked at whether calls wait for themselves, and how often that is
// done. Most drains take far less.
const selfCallPatience = 500 * time.Millisecond

// giveUpOnSelfCalls returns a context that ends when all calls that a drain waits for seem to wait for themselves.
func (g *gated) giveUpOnSelfCalls(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	h := g.plugin.host
	go func() {
		defer close(done)
		look := time.NewTicker(selfCallPatience)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
				if own := h.ownWaiting(); len(own) > 0 && int64(len(own)) >= g.serves.Leases() {
					cancel(&selfCallError{own})
				}
			}
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}
