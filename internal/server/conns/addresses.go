package conns

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Addresses count connections by the address that they come from. Several Sets may share one.
type Addresses struct {
	limit   int
	refused atomic.Int64

	mu   sync.Mutex // guards open
	open map[netip.Prefix]int
}

// NewAddresses permits limit connections from each address, or from each /64 of IPv6, which is what one client has. 0 is no limit.
// Connections without an address, such as those of unix sockets, aren't counted.
func NewAddresses(limit int) *Addresses {
	return &Addresses{limit: limit, open: map[netip.Prefix]int{}}
}

// Refused returns how many connections were closed because of the limit.
func (a *Addresses) Refused() int64 { return a.refused.Load() }

// enter counts a connection, and reports false if there are too many with it. Those that were passed on were admitted elsewhere.
func (a *Addresses) enter(from netip.Prefix, passed bool) bool {
	if a == nil || a.limit == 0 || !from.IsValid() {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[from] >= a.limit && !passed {
		a.refused.Add(1)
		return false
	}
	a.open[from]++
	return true
}

// leave forgets a connection that has entered.
func (a *Addresses) leave(from netip.Prefix) {
	if a == nil || a.limit == 0 || !from.IsValid() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[from]--; a.open[from] == 0 {
		delete(a.open, from)
	}
}

// addressOf returns where a connection comes from; the zero Prefix if it has no address.
func addressOf(c net.Conn) netip.Prefix {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	from, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return from
}
