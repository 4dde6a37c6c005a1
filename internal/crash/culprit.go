package crash

import "github.com/sohost/sohost/native"

// Image is a plugin image that the process had open.
type Image struct {
	ID       string              // any key; images with the same one count as one
	Packages map[string]struct{} // the import paths of what it brings: see Brings
}

// Brings returns the packages of an image that neither the host program nor the standard library has.
func Brings(image, host *native.Info) map[string]struct{} {
	own := make(map[string]struct{})
	for pkg := range image.Packages {
		if _, ok := host.Packages[pkg]; !ok && !image.Standard(pkg) {
			own[pkg] = struct{}{}
		}
	}
	return own
}

// Culprit returns the ID of the image whose code the goroutine that crashed was running, and the call that shows it. It is not
// ok if nothing crashed, or if no image can be told for sure: the package comment has the rules.
func (t *Trace) Culprit(images []Image) (id string, frame Frame, ok bool) {
	g := t.crashed()
	if g == nil {
		return "", Frame{}, false
	}
	for _, f := range append(g.Frames[:len(g.Frames):len(g.Frames)], g.CreatedBy) {
		if id, ok := only(images, f.Package); ok {
			return id, f, true
		}
	}
	return "", Frame{}, false
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

// only returns the one image that brings the package.
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
