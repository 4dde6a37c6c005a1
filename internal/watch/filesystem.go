package watch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// unreported has, by statfs magic, the file systems whose files others can change without this kernel's knowledge.
var unreported = map[uint32]string{
	unix.NFS_SUPER_MAGIC:    "NFS",
	unix.SMB_SUPER_MAGIC:    "SMB",
	unix.SMB2_SUPER_MAGIC:   "SMB",
	unix.CIFS_SUPER_MAGIC:   "SMB",
	unix.V9FS_MAGIC:         "9P",
	unix.FUSE_SUPER_MAGIC:   "FUSE", // includes virtiofs
	unix.AFS_SUPER_MAGIC:    "AFS",
	unix.AFS_FS_MAGIC:       "AFS",
	unix.CODA_SUPER_MAGIC:   "Coda",
	unix.NCP_SUPER_MAGIC:    "NCP",
	unix.CEPH_SUPER_MAGIC:   "Ceph",
	unix.OCFS2_SUPER_MAGIC:  "OCFS2",
	unix.HOSTFS_SUPER_MAGIC: "hostfs",
	0x01161970:              "GFS2",
	0x0bd00bd0:              "Lustre",
	0x47504653:              "GPFS",
	0x786f4256:              "vboxsf",
	0xbacbacbc:              "vmhgfs",
	0x7c7c6673:              "prl_fs",
}

// servedByInotify returns why inotify would not report changes at p, or nil.
func servedByInotify(p point) error {
	if p.mask&^maskGone == 0 {
		return nil // a directory on the way: what is mounted below it may be local
	}
	var fs unix.Statfs_t
	if err := ignoringEINTR(func() error { return unix.Statfs(p.in.path, &fs) }); err != nil {
		return fmt.Errorf("statfs %s: %w", p.in.path, err)
	}
	if name := unreported[uint32(fs.Type)]; name != "" {
		return fmt.Errorf("%s is on %s", p.in.path, name)
	}
	if p.name == "" {
		return nil
	}
	// A file that is itself a mount point, as in containers, belongs to a directory that isn't visible here.
	var st unix.Statx_t
	err := ignoringEINTR(func() error { return unix.Statx(unix.AT_FDCWD, p.path(), unix.AT_SYMLINK_NOFOLLOW, 0, &st) })
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENOSYS):
		return nil
	case err != nil:
		return fmt.Errorf("statx %s: %w", p.path(), err)
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return fmt.Errorf("%s is a mount point", p.path())
	}
	return nil
}
