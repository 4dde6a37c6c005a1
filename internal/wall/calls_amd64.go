package wall

import "golang.org/x/sys/unix"

// oldCalls returns the refused calls that only older architectures have.
func oldCalls() []call {
	return []call{
		{unix.SYS_OPEN, "open", writes, flagged(1, writing), at(-1, 0)},
		{unix.SYS_CREAT, "creat", writes, always, at(-1, 0)},
		{unix.SYS_MKDIR, "mkdir", writes, always, at(-1, 0)},
		{unix.SYS_MKNOD, "mknod", writes, always, at(-1, 0)},
		{unix.SYS_UNLINK, "unlink", writes, always, at(-1, 0)},
		{unix.SYS_RMDIR, "rmdir", writes, always, at(-1, 0)},
		{unix.SYS_RENAME, "rename", writes, always, at(-1, 0)},
		{unix.SYS_LINK, "link", writes, always, at(-1, 1)},
		{unix.SYS_SYMLINK, "symlink", writes, always, at(-1, 1)},
		{unix.SYS_CHMOD, "chmod", alters, always, at(-1, 0)},
		{unix.SYS_CHOWN, "chown", alters, always, at(-1, 0)},
		{unix.SYS_LCHOWN, "lchown", alters, always, at(-1, 0)},
		{unix.SYS_UTIME, "utime", alters, always, at(-1, 0)},
		{unix.SYS_UTIMES, "utimes", alters, always, at(-1, 0)},
		{unix.SYS_FUTIMESAT, "futimesat", alters, always, at(0, 1)},
		{unix.SYS_FORK, "fork", starts, always, none},
		{unix.SYS_VFORK, "vfork", starts, always, none},
		{unix.SYS_IOPL, "iopl", loading, always, none},
		{unix.SYS_IOPERM, "ioperm", loading, always, none},
		{unix.SYS_MODIFY_LDT, "modify_ldt", loading, always, none},
	}
}
