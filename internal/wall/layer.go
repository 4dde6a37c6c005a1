package wall

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// Names of layers.
const (
	Processes    = "process namespace" // no process outside is visible, and none stays behind
	Network      = "network namespace" // there is no network in it
	Memory       = "IPC namespace"     // no System V shared memory, queues or semaphores outside are visible
	Landlock     = "Landlock"          // no writes outside a scratch folder, no TCP, no signals
	Calls        = "system call filter"
	Capabilities = "capabilities"
	Limits       = "limits"
)

// Layer is one layer of the wall, as it was when a child last ran behind it.
type Layer struct {
	Name    string `json:"name"`
	InForce bool   `json:"in_force"`
	Detail  string `json:"detail,omitempty"` // what of it is in force
	Why     string `json:"why,omitempty"`    // why it isn't in force, or not all of it
	Remedy  string `json:"remedy,omitempty"` // what to do about that
}

// Holds reports whether the layers keep a child from reaching its parent: it can't signal it, or can't see it.
func Holds(layers []Layer) bool {
	return slices.ContainsFunc(layers, func(l Layer) bool { return l.InForce && (l.Name == Processes || l.Name == Calls) })
}

// missing returns a layer that isn't in force because of err.
func missing(name string, err error) Layer {
	if err == nil {
		err = errNotTried
	}
	return Layer{Name: name, Why: err.Error(), Remedy: remedy(name, err)}
}

// remedy says what to do so that a layer comes into force.
func remedy(name string, err error) string {
	switch name {
	case Processes, Network, Memory:
		switch {
		case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS):
			return "raise the sysctls user.max_user_namespaces, user.max_pid_namespaces and user.max_net_namespaces"
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
			return "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0, " +
				"no RestrictNamespaces= in the unit, a seccomp profile of the container that lets clone(CLONE_NEWUSER) through"
		}
		return "use a kernel with user, process, network and IPC namespaces"
	case Landlock:
		if errors.Is(err, unix.EOPNOTSUPP) {
			return "add landlock to the lsm= list on the kernel's command line"
		}
		return "use Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK; in a container, let the landlock_ system calls through"
	case Calls:
		return "use Linux 5.7 or later with CONFIG_SECCOMP_FILTER, not an emulator; in a container, let seccomp(2) through"
	}
	return ""
}

var errNotTried = errors.New("not tried")
