package sohost

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// ownWaiting returns those requests that wait at a gate and were made by this process itself, most likely by a plugin. If what a
// drain waits for are calls that wait for such a request, they wait for themselves.
func (h *Host) ownWaiting() (own []*request) {
	var inodes map[string]bool
	for _, q := range h.waiting.all() {
		client, err := netip.ParseAddrPort(q.remote)
		if err != nil { // a unix socket's
			continue
		}
		inode, ok := socketOf(client)
		if !ok {
			continue // of another machine
		}
		if inodes == nil {
			inodes = ownSockets()
		}
		if inodes[inode] {
			own = append(own, q)
		}
	}
	return own
}

// socketOf returns the inode of the TCP socket of this machine that has the address as its own.
func socketOf(local netip.AddrPort) (inode string, ok bool) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) { // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
			f := strings.Fields(line)
			if len(f) < 10 {
				continue
			}
			if a, err := kernelAddr(f[1]); err == nil && a == local {
				return f[9], true
			}
		}
	}
	return "", false
}

// kernelAddr parses an address as /proc/net/tcp has it: words of 32 bits in the machine's order, in hexadecimal digits.
func kernelAddr(text string) (netip.AddrPort, error) {
	ip, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil || len(ip)%8 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	var bytes []byte
	for ; ip != ""; ip = ip[8:] {
		word, err := strconv.ParseUint(ip[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("address %q", text)
		}
		bytes = binary.NativeEndian.AppendUint32(bytes, uint32(word))
	}
	addr, ok := netip.AddrFromSlice(bytes)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// ownSockets returns the inodes of the sockets that this process has open.
func ownSockets() map[string]bool {
	inodes := map[string]bool{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		link, err := os.Readlink("/proc/self/fd/" + e.Name())
		if inode, ok := strings.CutPrefix(link, "socket:["); err == nil && ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes
}

// selfCallError is why a drain was given up early: it seems to wait for calls that wait for it.
type selfCallError struct{ waiting []*request }

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
