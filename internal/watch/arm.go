package watch

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// directory is one inotify watch and the targets that need it.
type directory struct {
	path   string
	mask   uint32
	claims map[*Target][]point
}

// armAttempts limits the attempts to arm a path that changes meanwhile.
const armAttempts = 8

// arm watches a target by what its path is now, or polls it if that is impossible.
//
// Anything may happen between finding the points of a path and watching their directories. So arm finds the points again once
// they are watched: if they are the same, every later change is reported.
func (l *loop) arm(t *Target) {
	if l.src.unserved != "" {
		l.pollInstead(t, l.src.unserved)
		return
	}
	defer l.sweep()
	for range armAttempts {
		points, err := t.points()
		var claims map[int32][]point
		if err == nil {
			claims, err = l.watchAll(points)
		}
		again, errAgain := t.points()
		if err == nil {
			err = errAgain
		}
		// Something that is no longer there is a change too.
		if !slices.Equal(points, again) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			l.pollInstead(t, err.Error())
			return
		}
		l.claim(t, claims)
		t.armed = points
		t.polled, t.seen = false, nil
		t.status.Store(&Status{Mode: "inotify"})
		return
	}
	l.pollInstead(t, "the path changes too often")
}

// watchAll watches the directories of points, and returns the points by watch descriptor.
func (l *loop) watchAll(points []point) (map[int32][]point, error) {
	claims := make(map[int32][]point)
	for _, p := range points {
		if err := l.src.serves(p); err != nil {
			return nil, err
		}
		wd, err := l.src.add(p.in.path, p.mask|unix.IN_MASK_ADD)
		switch {
		case errors.Is(err, unix.EACCES) && p.mask&^maskGone == 0:
			continue // can be traversed but not read, like /home often; it is unlikely to be renamed
		case err != nil:
			return nil, err
		}
		d := l.dirs[wd]
		if d == nil {
			d = &directory{path: p.in.path, claims: make(map[*Target][]point)}
			l.dirs[wd] = d
		}
		d.mask |= p.mask
		claims[wd] = append(claims[wd], p)
	}
	return claims, nil
}

// claim replaces the watches that a target needs. Those that are no longer needed are left for sweep.
func (l *loop) claim(t *Target, claims map[int32][]point) {
	for wd := range t.claims {
		delete(l.dirs[wd].claims, t)
	}
	for wd, points := range claims {
		l.dirs[wd].claims[t] = points
	}
	t.claims = claims
}

// sweep removes watches that no target claims.
func (l *loop) sweep() {
	for wd, d := range l.dirs {
		if len(d.claims) == 0 {
			l.src.remove(wd)
			delete(l.dirs, wd)
			continue
		}
		if mask := d.needs(); mask != d.mask {
			l.narrow(wd, d, mask)
		}
	}
}

// needs returns what a directory is to be watched for.
func (d *directory) needs() (mask uint32) {
	for _, points := range d.claims {
		for _, p := range points {
			mask |= p.mask
		}
	}
	return mask
}

// narrow watches a directory for fewer events. Its path may lead to another one by now, which was moved there or made anew. If that is
// watched, too, it gets back what it needs, and what has happened in it meanwhile isn't known.
func (l *loop) narrow(wd int32, d *directory, mask uint32) {
	got, err := l.src.add(d.path, mask)
	switch {
	case err != nil:
		return
	case got == wd:
		d.mask = mask
	case l.dirs[got] == nil:
		l.src.remove(got)
	default:
		other := l.dirs[got]
		other.mask = other.needs()
		if now, err := l.src.add(d.path, other.mask|unix.IN_MASK_ADD); err == nil && l.dirs[now] == nil { // yet another one
			l.src.remove(now)
		}
		for t := range other.claims {
			l.touch(t, t.base, signature{}, time.Now())
		}
	}
}
