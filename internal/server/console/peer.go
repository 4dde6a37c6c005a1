package console

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// peer is whose process has the other end of a connection.
type peer struct {
	uid int
	err error
}

type peerKey struct{}

// rememberPeer keeps who has connected, for peerOf.
func rememberPeer(ctx context.Context, c net.Conn) context.Context {
	uid, err := ownerOf(c.RemoteAddr().String(), c.LocalAddr().String())
	return context.WithValue(ctx, peerKey{}, peer{uid, err})
}

// peerOf returns the user id of the process that has connected.
func peerOf(r *http.Request) (uid int, err error) {
	p, ok := r.Context().Value(peerKey{}).(peer)
	if !ok {
		return 0, errors.New("the server was not asked to find out")
	}
	return p.uid, p.err
}

// ownerOf returns the user whose socket on this machine is at one address, connected to the other. An error says that there is no such
// socket, as when the peer is another machine or has closed it already.
func ownerOf(at, to string) (uid int, err error) {
	local, err := netip.ParseAddrPort(at)
	if err != nil {
		return 0, err
	}
	remote, err := netip.ParseAddrPort(to)
	if err != nil {
		return 0, err
	}
	for _, table := range []struct {
		file string
		form func(netip.Addr) []byte
	}{{"/proc/net/tcp", asIPv4}, {"/proc/net/tcp6", asIPv6}} { // a socket for IPv6 may be connected to an IPv4 address
		uid, found, err := findSocket(table.file, inHex(local, table.form), inHex(remote, table.form))
		if err != nil || found {
			return uid, err
		}
	}
	return 0, fmt.Errorf("this machine has no socket at %s", at)
}

// established is the state of a socket that is connected.
const established = "01"

// findSocket looks for a connected socket. One that its process has closed doesn't count, whatever is still under way in it: the
// kernel shows it as root's.
func findSocket(file, local, remote string) (uid int, found bool, err error) {
	f, err := os.Open(file)
	if os.IsNotExist(err) { // a kernel without IPv6
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close() // read only
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …
		field := strings.Fields(lines.Text())
		if len(field) > 9 && field[1] == local && field[2] == remote && field[3] == established && field[9] != "0" {
			uid, err = strconv.Atoi(field[7])
			return uid, err == nil, err
		}
	}
	return 0, false, nil
}

func asIPv4(a netip.Addr) []byte {
	if a = a.Unmap(); a.Is4() {
		return a.AsSlice()
	}
	return nil
}

func asIPv6(a netip.Addr) []byte {
	b := a.As16()
	return b[:]
}

// inHex returns an address as the kernel shows it: words of four bytes in the machine's order, and the port.
func inHex(a netip.AddrPort, form func(netip.Addr) []byte) string {
	b := form(a.Addr())
	shown := make([]byte, len(b))
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(shown[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	return fmt.Sprintf("%s:%04X", strings.ToUpper(hex.EncodeToString(shown)), a.Port())
}
