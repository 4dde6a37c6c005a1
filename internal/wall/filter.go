package wall

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filter makes the program that the kernel runs for each system call of the child.
type filter struct {
	own   uint32 // the child's process ID, as itself sees it
	tells bool   // calls go to the parent, which decides; otherwise they only fail
}

// Offsets in what the program reads, struct seccomp_data.
const (
	offsetCall = 0
	offsetArch = 4
	offsetArgs = 16
)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// argument loads the lower half of an argument; the machines that Go plugins run on are little-endian.
func argument(i int) unix.SockFilter { return load(offsetArgs + 8*uint32(i)) }

func jump(how uint16, k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
}

func answer(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

var allow = answer(unix.SECCOMP_RET_ALLOW)

func fails(errno unix.Errno) unix.SockFilter { return answer(unix.SECCOMP_RET_ERRNO | uint32(errno)) }

// arch is the architecture as the kernel tells it to the program, 0 if there is no filter for it.
func arch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0
}

// x32 is the lowest number of a call in the x32 form of amd64. No other architecture has numbers that high.
const x32 = 0x40000000

// program returns the filter for the calls.
func (f *filter) program(calls []call) []unix.SockFilter {
	p := []unix.SockFilter{
		load(offsetArch),
		jump(unix.BPF_JEQ, arch(), 1, 0),
		answer(unix.SECCOMP_RET_KILL_PROCESS), // another form of system call, with other numbers
		load(offsetCall),
		jump(unix.BPF_JGE, x32, 0, 1),
		fails(unix.ENOSYS),
	}
	for _, c := range calls {
		block := c.when(f, f.refuse(c))
		p = append(p, jump(unix.BPF_JEQ, uint32(c.number), 0, len(block)))
		p = append(p, block...)
	}
	return append(p, allow)
}

func (f *filter) refuse(c call) unix.SockFilter {
	if f.tells {
		return answer(unix.SECCOMP_RET_USER_NOTIF)
	}
	return fails(c.kind.errno)
}

// A condition returns the instructions that decide about one system call. Each of its ends must be an answer.
type condition func(f *filter, refuse unix.SockFilter) []unix.SockFilter

func always(_ *filter, refuse unix.SockFilter) []unix.SockFilter { return []unix.SockFilter{refuse} }

// unknown makes the call one that the kernel doesn't have, so that callers use an older one that the filter can judge.
func unknown(*filter, unix.SockFilter) []unix.SockFilter {
	return []unix.SockFilter{fails(unix.ENOSYS)}
}

// flagged refuses the call if the argument has one of the bits.
func flagged(arg int, bits uint32) condition {
	return func(_ *filter, refuse unix.SockFilter) []unix.SockFilter {
		return []unix.SockFilter{argument(arg), jump(unix.BPF_JSET, bits, 0, 1), refuse, allow}
	}
}

// unflagged refuses the call unless the argument has one of the bits.
func unflagged(arg int, bits uint32) condition {
	return func(_ *filter, refuse unix.SockFilter) []unix.SockFilter {
		return []unix.SockFilter{argument(arg), jump(unix.BPF_JSET, bits, 1, 0), refuse, allow}
	}
}

// nonzero refuses the call unless the argument is 0.
func nonzero(arg int) condition { return otherThan(arg, 0) }

// otherThan refuses the call unless the lower half of the argument has the value.
func otherThan(arg int, value uint32) condition {
	return func(_ *filter, refuse unix.SockFilter) []unix.SockFilter {
		return []unix.SockFilter{argument(arg), jump(unix.BPF_JEQ, value, 1, 0), refuse, allow}
	}
}

// foreign refuses the call if the argument is a process other than the child, which 0 stands for as well.
func foreign(arg int) condition {
	return func(f *filter, refuse unix.SockFilter) []unix.SockFilter {
		return []unix.SockFilter{argument(arg), jump(unix.BPF_JEQ, 0, 2, 0), jump(unix.BPF_JEQ, f.own, 1, 0), refuse, allow}
	}
}

// foreignOr refuses the call if it is for all processes of a user, which the argument before says, or for a foreign process.
func foreignOr(user uint32, arg int) condition {
	return func(f *filter, refuse unix.SockFilter) []unix.SockFilter {
		forUser := []unix.SockFilter{argument(arg - 1), jump(unix.BPF_JEQ, user, 0, 1), refuse}
		return append(forUser, foreign(arg)(f, refuse)...)
	}
}

// signals refuses signals to processes other than the child. Signal 0 only asks whether there is one. The kernel doesn't let the
// first process of a namespace kill or stop itself, so the filter does it.
func signals(process, signal int) condition {
	return func(f *filter, refuse unix.SockFilter) []unix.SockFilter {
		lethal := allow
		if f.own == 1 {
			lethal = answer(unix.SECCOMP_RET_KILL_PROCESS)
		}
		return []unix.SockFilter{
			argument(process), jump(unix.BPF_JEQ, f.own, 0, 5),
			argument(signal), jump(unix.BPF_JEQ, uint32(unix.SIGKILL), 1, 0), jump(unix.BPF_JEQ, uint32(unix.SIGSTOP), 0, 1), lethal, allow,
			argument(signal), jump(unix.BPF_JEQ, 0, 1, 0), refuse, allow,
		}
	}
}

// limits refuses to change another process's limits, but not to read them.
func limits(process, changed int) condition {
	return func(f *filter, refuse unix.SockFilter) []unix.SockFilter {
		high := load(offsetArgs + 8*uint32(changed) + 4)
		return []unix.SockFilter{
			argument(process), jump(unix.BPF_JEQ, 0, 6, 0), jump(unix.BPF_JEQ, f.own, 5, 0),
			argument(changed), jump(unix.BPF_JEQ, 0, 0, 2), high, jump(unix.BPF_JEQ, 0, 1, 0), refuse, allow,
		}
	}
}

// install puts the filter in force for all threads of the calling process. listener is what the parent reads the calls from, -1 if
// this kernel only lets them fail.
func install(own int) (listener int, err error) {
	if arch() == 0 {
		return -1, fmt.Errorf("there is no filter for %s", runtime.GOARCH)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("no_new_privs: %w", err)
	}
	for _, tells := range []bool{true, false} {
		f := filter{own: uint32(own), tells: tells}
		flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC)
		if tells {
			flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
		}
		code := f.program(calls())
		program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
		switch {
		case errno != 0:
			err = fmt.Errorf("seccomp: %w", errno)
		case tells:
			return int(fd), nil
		case fd != 0: // the ID of a thread that can't have it
			err = fmt.Errorf("seccomp: thread %d has a filter of its own", fd)
		default:
			return -1, nil
		}
	}
	return -1, err
}
