package crash

import "github.com/sohost/sohost/native"

// An Image is a plugin image that the process had open.
type Image struct {
	ID       string              // any key; images with the same key count as one
	Packages map[string]struct{} // the import paths of its own packages: see OwnPackages
}

// OwnPackages returns the import paths of the packages in an image that neither the host program nor the standard library has.
func OwnPackages(image, host *native.Info) map[string]struct{} {
	own := make(map[string]struct{})
	for pkg := range image.Packages {
		if _, ok := host.Packages[pkg]; !ok && !image.Standard(pkg) {
			own[pkg] = struct{}{}
		}
	}
	return own
}

// Culprit returns the ID of the image whose code the crashed goroutine was running, and the call that shows it. ok is false if
// nothing crashed, or if it isn't certain which image it was: the package comment has the rules.
func (t *Trace) Culprit(images []Image) (id string, frame Frame, ok bool) {
	for _, f := range t.frames() {
		if id, ok := only(images, f.Package); ok {
			return id, f, true
		}
	}
	return "", Frame{}, false
}

// Host returns the innermost call of the host's own code that the crashed goroutine was running, if it is further in than that of
// Culprit: then an image has called the host and the fault was there, or no image had to do with it. is reports whether a package is
// one of the host's own.
func (t *Trace) Host(images []Image, is func(pkg string) bool) (frame Frame, ok bool) {
	for _, f := range t.frames() {
		if _, ok := only(images, f.Package); ok {
			return Frame{}, false
		}
		if is(f.Package) {
			return f, true
		}
	}
	return Frame{}, false
}

// Innermost returns the innermost call of the crashed goroutine whose package fits, or the zero Frame.
func (t *Trace) Innermost(fits func(pkg string) bool) Frame {
	for _, f := range t.frames() {
		if fits(f.Package) {
			return f
		}
	}
	return Frame{}
}

// frames returns the calls of the crashed goroutine, the innermost first and finally the one that created it.
func (t *Trace) frames() []Frame {
	g := t.crashed()
	if g == nil {
		return nil
	}
	return append(g.Frames[:len(g.Frames):len(g.Frames)], g.CreatedBy)
}

// crashed returns the goroutine that crashed, or nil.
func (t *Trace) crashed() *Goroutine {
	if t.sent || len(t.Goroutines) == 0 {
		return nil
	}
	g := &t.Goroutines[0]
	if g.ID == 0 {
		if len(t.Goroutines) == 1 {
			return nil
		}
		if g = &t.Goroutines[1]; g.State != "running" && g.State != "syscall" {
			return nil
		}
	}
	if g.elsewhere {
		return nil
	}
	return g
}

// only returns the image that has the package, if there is exactly one.
func only(images []Image, pkg string) (id string, ok bool) {
	for _, im := range images {
		if _, has := im.Packages[pkg]; !has || ok && im.ID == id {
			continue
		}
		if ok {
			return "", false
		}
		id, ok = im.ID, true
	}
	return id, ok
}
