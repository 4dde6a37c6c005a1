// Package sockets tells which TCP sockets of this machine are the process's own, and which process has a port or the lock of a file.
package sockets

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Of returns the inode of the TCP socket of this machine that has the address as its own.
func Of(local netip.AddrPort) (inode string, ok bool) {
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
			// What is over, but not forgotten yet, has no inode any more, and another socket may have its address.
			if a, err := kernelAddr(f[1]); err == nil && a == local && f[9] != "0" {
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

// Own returns the inodes of the sockets that this process has open.
func Own() map[string]bool {
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
