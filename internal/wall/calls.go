package wall

import "golang.org/x/sys/unix"

// kind is what a refused system call does.
type kind struct {
	does  string     // in words, after "tried to"
	errno unix.Errno // what the call fails with
	harm  bool       // no code that begins has a reason to do it: the child is ended at once
}

var (
	writes   = &kind{does: "write to", errno: unix.EACCES}
	alters   = &kind{does: "change the mode, owner or times of", errno: unix.EPERM}
	connects = &kind{does: "open a socket", errno: unix.EACCES}
	starts   = &kind{does: "start a process", errno: unix.EPERM}
	runs     = &kind{does: "run", errno: unix.EPERM}
	shares   = &kind{does: "use shared memory, queues or semaphores", errno: unix.EPERM}
	bypasses = &kind{does: "use io_uring", errno: unix.EPERM}
	limiting = &kind{does: "change limits or priority of another process", errno: unix.EPERM}
	measures = &kind{does: "watch the kernel", errno: unix.EPERM}
	keys     = &kind{does: "use the kernel's keys", errno: unix.EPERM}

	sending  = &kind{does: "send", errno: unix.EPERM, harm: true}
	tracing  = &kind{does: "read or change another process", errno: unix.EPERM, harm: true}
	mounting = &kind{does: "mount or unmount", errno: unix.EPERM, harm: true}
	leaving  = &kind{does: "change its namespaces or root directory", errno: unix.EPERM, harm: true}
	becoming = &kind{does: "become another user or group", errno: unix.EPERM, harm: true}
	rights   = &kind{does: "change its capabilities", errno: unix.EPERM, harm: true}
	loading  = &kind{does: "load code into the kernel", errno: unix.EPERM, harm: true}
	stopping = &kind{does: "change or stop the machine", errno: unix.EPERM, harm: true}
)

// call is a system call that the child may not make, at least not always.
type call struct {
	number uintptr
	name   string
	kind   *kind
	when   condition
	path   place // what it is about
}

// place says which arguments of a call are a path: the number of the one that it is relative to, -1 if there is none, and its own.
// Without a path the first is a file. The zero place is none.
type place struct {
	dir, name int
	has       bool
}

func at(dir, name int) place { return place{dir, name, true} }
func file(arg int) place     { return place{arg, -1, true} }

var none place

// writing are the flags of open that change something.
const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC

// calls returns the calls that the wall refuses, or some forms of them.
func calls() []call {
	return append([]call{
		{unix.SYS_OPENAT, "openat", writes, flagged(2, writing), at(0, 1)},
		{unix.SYS_OPENAT2, "openat2", writes, unknown, none},
		{unix.SYS_OPEN_BY_HANDLE_AT, "open_by_handle_at", writes, always, none},
		{unix.SYS_MKDIRAT, "mkdirat", writes, always, at(0, 1)},
		{unix.SYS_MKNODAT, "mknodat", writes, always, at(0, 1)},
		{unix.SYS_UNLINKAT, "unlinkat", writes, always, at(0, 1)},
		{unix.SYS_RENAMEAT, "renameat", writes, always, at(0, 1)},
		{unix.SYS_RENAMEAT2, "renameat2", writes, always, at(0, 1)},
		{unix.SYS_LINKAT, "linkat", writes, always, at(2, 3)},
		{unix.SYS_SYMLINKAT, "symlinkat", writes, always, at(1, 2)},
		{unix.SYS_TRUNCATE, "truncate", writes, always, at(-1, 0)},
		{unix.SYS_FCHMOD, "fchmod", alters, always, file(0)},
		{unix.SYS_FCHMODAT, "fchmodat", alters, always, at(0, 1)},
		{unix.SYS_FCHMODAT2, "fchmodat2", alters, always, at(0, 1)},
		{unix.SYS_FCHOWN, "fchown", alters, always, file(0)},
		{unix.SYS_FCHOWNAT, "fchownat", alters, always, at(0, 1)},
		{unix.SYS_UTIMENSAT, "utimensat", alters, always, at(0, 1)},
		{unix.SYS_SETXATTR, "setxattr", alters, always, at(-1, 0)},
		{unix.SYS_LSETXATTR, "lsetxattr", alters, always, at(-1, 0)},
		{unix.SYS_FSETXATTR, "fsetxattr", alters, always, file(0)},
		{unix.SYS_SETXATTRAT, "setxattrat", alters, always, at(0, 1)},
		{unix.SYS_REMOVEXATTR, "removexattr", alters, always, at(-1, 0)},
		{unix.SYS_LREMOVEXATTR, "lremovexattr", alters, always, at(-1, 0)},
		{unix.SYS_FREMOVEXATTR, "fremovexattr", alters, always, file(0)},
		{unix.SYS_REMOVEXATTRAT, "removexattrat", alters, always, at(0, 1)},
		{unix.SYS_QUOTACTL, "quotactl", stopping, always, none},
		{unix.SYS_QUOTACTL_FD, "quotactl_fd", stopping, always, none},

		{unix.SYS_SOCKET, "socket", connects, always, none},
		{unix.SYS_IO_URING_SETUP, "io_uring_setup", bypasses, always, none},

		{unix.SYS_CLONE, "clone", starts, unflagged(0, unix.CLONE_THREAD), none},
		{unix.SYS_CLONE3, "clone3", starts, unknown, none}, // the C library then uses clone
		{unix.SYS_EXECVE, "execve", runs, always, at(-1, 0)},
		{unix.SYS_EXECVEAT, "execveat", runs, always, at(0, 1)},

		{unix.SYS_SHMGET, "shmget", shares, always, none},
		{unix.SYS_SHMAT, "shmat", shares, always, none},
		{unix.SYS_MSGGET, "msgget", shares, always, none},
		{unix.SYS_SEMGET, "semget", shares, always, none},
		{unix.SYS_MQ_OPEN, "mq_open", shares, always, none},
		{unix.SYS_MQ_UNLINK, "mq_unlink", shares, always, none},

		{unix.SYS_KILL, "kill", sending, signals(0, 1), none},
		{unix.SYS_TGKILL, "tgkill", sending, signals(0, 2), none},
		{unix.SYS_TKILL, "tkill", sending, nonzero(1), none},
		{unix.SYS_RT_SIGQUEUEINFO, "rt_sigqueueinfo", sending, signals(0, 1), none},
		{unix.SYS_RT_TGSIGQUEUEINFO, "rt_tgsigqueueinfo", sending, signals(0, 2), none},
		{unix.SYS_PIDFD_SEND_SIGNAL, "pidfd_send_signal", sending, nonzero(1), none},
		{unix.SYS_PTRACE, "ptrace", tracing, always, none},
		{unix.SYS_PROCESS_VM_READV, "process_vm_readv", tracing, always, none},
		{unix.SYS_PROCESS_VM_WRITEV, "process_vm_writev", tracing, always, none},
		{unix.SYS_PROCESS_MADVISE, "process_madvise", tracing, always, none},
		{unix.SYS_PROCESS_MRELEASE, "process_mrelease", tracing, always, none},
		{unix.SYS_PIDFD_GETFD, "pidfd_getfd", tracing, always, none},
		{unix.SYS_KCMP, "kcmp", tracing, always, none},
		{unix.SYS_MOVE_PAGES, "move_pages", tracing, foreign(0), none},
		{unix.SYS_MIGRATE_PAGES, "migrate_pages", tracing, foreign(0), none},
		{unix.SYS_PRLIMIT64, "prlimit64", limiting, limits(0, 2), none},
		{unix.SYS_SETPRIORITY, "setpriority", limiting, foreignOr(unix.PRIO_USER, 1), none},
		{unix.SYS_IOPRIO_SET, "ioprio_set", limiting, foreignOr(3, 1), none},
		{unix.SYS_SCHED_SETSCHEDULER, "sched_setscheduler", limiting, foreign(0), none},
		{unix.SYS_SCHED_SETPARAM, "sched_setparam", limiting, foreign(0), none},
		{unix.SYS_SCHED_SETATTR, "sched_setattr", limiting, foreign(0), none},
		{unix.SYS_SETPGID, "setpgid", limiting, foreign(0), none},

		{unix.SYS_MOUNT, "mount", mounting, always, none},
		{unix.SYS_UMOUNT2, "umount2", mounting, always, none},
		{unix.SYS_MOVE_MOUNT, "move_mount", mounting, always, none},
		{unix.SYS_OPEN_TREE, "open_tree", mounting, always, none},
		{unix.SYS_FSOPEN, "fsopen", mounting, always, none},
		{unix.SYS_FSMOUNT, "fsmount", mounting, always, none},
		{unix.SYS_FSCONFIG, "fsconfig", mounting, always, none},
		{unix.SYS_FSPICK, "fspick", mounting, always, none},
		{unix.SYS_MOUNT_SETATTR, "mount_setattr", mounting, always, none},
		{unix.SYS_PIVOT_ROOT, "pivot_root", leaving, always, none},
		{unix.SYS_CHROOT, "chroot", leaving, always, none},
		{unix.SYS_UNSHARE, "unshare", leaving, always, none},
		{unix.SYS_SETNS, "setns", leaving, always, none},
		{unix.SYS_SETUID, "setuid", becoming, always, none},
		{unix.SYS_SETGID, "setgid", becoming, always, none},
		{unix.SYS_SETREUID, "setreuid", becoming, always, none},
		{unix.SYS_SETREGID, "setregid", becoming, always, none},
		{unix.SYS_SETRESUID, "setresuid", becoming, always, none},
		{unix.SYS_SETRESGID, "setresgid", becoming, always, none},
		{unix.SYS_SETGROUPS, "setgroups", becoming, always, none},
		{unix.SYS_SETFSUID, "setfsuid", becoming, otherThan(0, ^uint32(0)), none}, // that only asks
		{unix.SYS_SETFSGID, "setfsgid", becoming, otherThan(0, ^uint32(0)), none},
		{unix.SYS_CAPSET, "capset", rights, always, none},
		{unix.SYS_BPF, "bpf", loading, always, none},
		{unix.SYS_INIT_MODULE, "init_module", loading, always, none},
		{unix.SYS_FINIT_MODULE, "finit_module", loading, always, none},
		{unix.SYS_DELETE_MODULE, "delete_module", loading, always, none},
		{unix.SYS_KEXEC_LOAD, "kexec_load", loading, always, none},
		{unix.SYS_KEXEC_FILE_LOAD, "kexec_file_load", loading, always, none},
		{unix.SYS_REBOOT, "reboot", stopping, always, none},
		{unix.SYS_SWAPON, "swapon", stopping, always, none},
		{unix.SYS_SWAPOFF, "swapoff", stopping, always, none},
		{unix.SYS_ACCT, "acct", stopping, always, none},
		{unix.SYS_SETHOSTNAME, "sethostname", stopping, always, none},
		{unix.SYS_SETDOMAINNAME, "setdomainname", stopping, always, none},
		{unix.SYS_SETTIMEOFDAY, "settimeofday", stopping, always, none},
		{unix.SYS_CLOCK_SETTIME, "clock_settime", stopping, always, none},
		{unix.SYS_VHANGUP, "vhangup", stopping, always, none},
		{unix.SYS_SYSLOG, "syslog", measures, always, none},
		{unix.SYS_PERF_EVENT_OPEN, "perf_event_open", measures, always, none},
		{unix.SYS_USERFAULTFD, "userfaultfd", measures, always, none},
		{unix.SYS_FANOTIFY_INIT, "fanotify_init", measures, always, none},
		{unix.SYS_ADD_KEY, "add_key", keys, always, none},
		{unix.SYS_REQUEST_KEY, "request_key", keys, always, none},
		{unix.SYS_KEYCTL, "keyctl", keys, always, none},
	}, oldCalls()...)
}
