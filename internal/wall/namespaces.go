package wall

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces is a set of namespaces that a child may get.
type namespaces struct {
	flags uintptr
	names []string
}

const inNamespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// choices lists the sets to try, the best one first. Root needs no user namespace, and in one it would lose the right to read
// other users' files.
func choices() []namespaces {
	all := []string{Processes, Network, Memory}
	in := namespaces{inNamespaces, all}
	user := namespaces{inNamespaces | unix.CLONE_NEWUSER, all}
	if os.Geteuid() == 0 {
		return []namespaces{in, user, {unix.CLONE_NEWPID, all[:1]}, {}}
	}
	return []namespaces{user, {unix.CLONE_NEWUSER | unix.CLONE_NEWPID, all[:1]}, {}}
}

// unavailable reports whether err, of a start, can mean that the child may not have its namespaces.
func unavailable(err error) bool {
	for _, errno := range []syscall.Errno{unix.EPERM, unix.EACCES, unix.EINVAL, unix.ENOSPC, unix.EUSERS, unix.ENOSYS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// layers describes the namespaces of a child. err says why it has no better set.
func (n namespaces) layers(err error) (layers []Layer) {
	for i, name := range []string{Processes, Network, Memory} {
		switch {
		case i < len(n.names) && n.flags&unix.CLONE_NEWUSER != 0:
			layers = append(layers, Layer{Name: name, InForce: true, Detail: "within a user namespace"})
		case i < len(n.names):
			layers = append(layers, Layer{Name: name, InForce: true})
		default:
			layers = append(layers, missing(name, err))
		}
	}
	return layers
}

// nameUser gives a child in a user namespace of its own the same user and group as outside. Without it the child sees itself as
// nobody.
func nameUser(pid int) error {
	for _, f := range []struct{ name, text string }{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("%d %d 1", os.Geteuid(), os.Geteuid())},
		{"gid_map", fmt.Sprintf("%d %d 1", os.Getegid(), os.Getegid())},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, f.name), []byte(f.text), 0); err != nil {
			return err
		}
	}
	return nil
}

// capReadSearch lets root read other users' files. It is the only capability that a child of root keeps.
const capReadSearch = unix.CAP_DAC_READ_SEARCH

// dropCapabilities makes programs that the calling thread starts have no capability but capReadSearch.
func dropCapabilities() Layer {
	l := Layer{Name: Capabilities, InForce: true, Detail: "none"}
	if os.Geteuid() != 0 {
		return l
	}
	l.Detail = "none but reading files"
	for c := uintptr(0); ; c++ {
		if c == capReadSearch {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > 0 { // beyond the last one
			return l
		}
		if err != nil {
			return missing(Capabilities, fmt.Errorf("drop capability %d: %w", c, err))
		}
	}
}
