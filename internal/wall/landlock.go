package wall

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockABI returns the version of Landlock that the kernel has.
func landlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	return int(abi), nil
}

// landlockRules returns what a version of Landlock can forbid, as far as the wall wants it: everything but reading and running
// files.
func landlockRules(abi int) (rules unix.LandlockRulesetAttr) {
	rules.Handled_access_fs = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	if abi >= 2 {
		rules.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		rules.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		rules.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		rules.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		rules.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return rules
}

// landlockThread restricts the calling thread, and every process that it starts, for good: they write only below scratch,
// if that is set, and to /dev/null.
func landlockThread(scratch string) Layer {
	abi, err := landlockABI()
	if err != nil {
		return missing(Landlock, err)
	}
	rules := landlockRules(abi)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules), 0)
	if errno != 0 {
		return missing(Landlock, fmt.Errorf("landlock_create_ruleset: %w", errno))
	}
	ruleset := os.NewFile(fd, "landlock ruleset")
	defer ruleset.Close()
	if scratch != "" {
		err = landlockAllow(ruleset, scratch, rules.Handled_access_fs)
	}
	err = errors.Join(err,
		landlockAllow(ruleset, os.DevNull, unix.LANDLOCK_ACCESS_FS_WRITE_FILE|rules.Handled_access_fs&unix.LANDLOCK_ACCESS_FS_TRUNCATE),
	)
	if err != nil {
		return missing(Landlock, err)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return missing(Landlock, fmt.Errorf("landlock_restrict_self: %w", errno))
	}
	l := Layer{Name: Landlock, InForce: true, Detail: fmt.Sprintf("version %d: files", abi)}
	if abi >= 4 {
		l.Detail += ", TCP"
	}
	if abi >= 6 {
		l.Detail += ", signals, abstract sockets"
	} else {
		l.Why, l.Remedy = "this kernel's Landlock knows no signals", "use Linux 6.12 or later"
	}
	return l
}

func landlockAllow(ruleset *os.File, path string, access uint64) error {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	defer f.Close()
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(f.Fd())}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset.Fd(), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("landlock_add_rule %s: %w", path, errno)
	}
	return nil
}
