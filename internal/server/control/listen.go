package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sohost/sohost/internal/sockets"
	"golang.org/x/sys/unix"
)

// ErrInUse is returned when another server answers on the socket.
var ErrInUse = errors.New("another server answers on the control socket")

// Listen creates the socket, and its directory if that is missing, with access for this user only. It replaces a socket that
// nobody answers. The error is ErrInUse if somebody does, and any other file at path stays as it is.
func Listen(path string) (net.Listener, error) {
	if err := sockets.Fits(path); err != nil {
		return nil, fmt.Errorf("control socket %w; name a shorter one with --control", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create the control socket's directory: %w", err)
	}
	l, err := sockets.Unix(path, 0o600)
	switch {
	case errors.Is(err, sockets.ErrInUse):
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

type peerKey struct{}

// rememberPeer keeps the user id of a connection's peer for authorize; -1 if the kernel doesn't report it.
func rememberPeer(ctx context.Context, c net.Conn) context.Context {
	uid := -1
	if limited, ok := c.(*limitedConn); ok {
		c = limited.Conn
	}
	if cred := peerOf(c); cred != nil {
		uid = int(cred.Uid)
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peerOf returns who is at the other end; nil if the kernel doesn't report it.
func peerOf(c net.Conn) (cred *unix.Ucred) {
	if u, ok := c.(syscall.Conn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) {
				cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
			})
		}
	}
	return cred
}

// authorize rejects requests of users other than root and the server's own.
func authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uid, ok := r.Context().Value(peerKey{}).(int)
		if !ok || uid != 0 && uid != os.Getuid() {
			text := fmt.Sprintf("user %d may not control this server, which runs as user %d", uid, os.Getuid())
			writeJSON(w, http.StatusForbidden, &Failure{Code: CodeForbidden, Message: text})
			return
		}
		next.ServeHTTP(w, r)
	})
}
