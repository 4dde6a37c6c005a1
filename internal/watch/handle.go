package watch

import (
	"time"

	"golang.org/x/sys/unix"
)

// handle applies a record to the targets that it concerns.
func (l *loop) handle(r record, now time.Time) {
	if r.mask&unix.IN_Q_OVERFLOW != 0 {
		l.Logger.Warn("inotify queue overflow; treating everything as changed")
		for t := range l.targets {
			l.touch(t, t.base, signature{}, now)
			l.stale[t] = struct{}{}
		}
		return
	}
	d := l.dirs[r.wd]
	if d == nil {
		return // of a removed watch
	}
	for t, points := range d.claims {
		for _, p := range points {
			l.apply(r, t, p, now)
		}
	}
	if r.mask&unix.IN_IGNORED != 0 {
		// The kernel has removed the watch and may reuse its descriptor.
		for t := range d.claims {
			delete(t.claims, r.wd)
		}
		delete(l.dirs, r.wd)
	}
}

// apply applies a record to one point of a target.
func (l *loop) apply(r record, t *Target, p point, now time.Time) {
	const (
		dirGone = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_UNMOUNT | unix.IN_IGNORED
		content = unix.IN_CLOSE_WRITE | unix.IN_ATTRIB
		made    = unix.IN_CREATE | unix.IN_MOVED_TO
	)
	if r.mask&dirGone != 0 {
		l.touch(t, p.entry, signature{}, now)
		l.stale[t] = struct{}{}
		return
	}
	// A directory is watched for everything that any of its points needs. This one may need less.
	if r.mask&p.mask == 0 {
		return
	}
	every := p.name == ""
	switch {
	case every && (r.name == "" || !t.match(r.name)):
		return
	case every:
		p.name, p.entry = r.name, r.name
	case p.name != r.name:
		return
	}
	var unfinished signature
	if r.mask&made != 0 {
		st, err := lstat(p.path())
		if err == nil && every && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			l.stale[t] = struct{}{}
		}
		if err == nil && r.mask&unix.IN_CREATE != 0 && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1 {
			unfinished = signatureOf(&st)
		}
	}
	if !every && r.mask&content == 0 {
		l.stale[t] = struct{}{}
	}
	l.touch(t, p.entry, unfinished, now)
}
