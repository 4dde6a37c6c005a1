package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/native"
)

var (
	// ErrABIVersion is returned when a plugin was built for another version of the contract.
	ErrABIVersion = errors.New("another version of the contract")

	// ErrExclusive is returned when a plugin is Exclusive but could never release what it owns.
	ErrExclusive = errors.New("exclusive plugin without Start and Stop")

	// ErrNoHandler is returned when an instance implements none of the handler interfaces that package abi names, or a
	// Descriptor has no New.
	ErrNoHandler = errors.New("instance handles nothing")
)

// Check compares what can be read from an image's file with this process, and runs none of the image's code. If api isn't empty, the image
// must be of that plugin API. The error is a *native.Rejection with every reason, or says why the file can't be read.
func Check(path, api string) error {
	process, err := native.Self()
	if err != nil {
		return err
	}
	_, err = CheckFor(path, api, process)
	return err
}

// CheckFor does what Check does, for any process, and returns the facts of the image. Whoever asks has named the file, and it may be
// a copy in a store, which means nothing to anyone: what is wrong with its content comes without the path.
func CheckFor(path, api string, process *native.Process) (*native.Info, error) {
	info, err := native.InspectFile(path)
	if err == nil {
		err = adapters.Check(info, api, process)
	}
	if fault, ok := errors.AsType[*native.FileError](err); ok {
		err = fault.Err
	}
	return info, err
}

// Image is an opened image with its plugin's descriptor.
type Image struct {
	path       string
	info       *native.Info
	native     *native.Image // nil in tests only, see NewImage
	descriptor *abi.Descriptor
}

// NewImage returns an image for tests of other packages: nothing is opened, and the descriptor is the test's own.
func NewImage(path string, info *native.Info, descriptor *abi.Descriptor) *Image {
	return &Image{path: path, info: info, descriptor: descriptor}
}

// Open opens an image and reads its descriptor. An image that was opened before is returned again. An image that fails
// to open may leave permanent traces in the process: see native.Open.
func Open(ctx context.Context, path string) (*Image, error) {
	return described(native.Open(ctx, path))
}

// described reads the descriptor of an image that was opened.
func described(opened *native.Image, err error) (*Image, error) {
	if err != nil {
		return nil, err
	}
	descriptor, err := adapters.Describe(opened)
	if err != nil {
		return nil, err
	}
	im := &Image{path: opened.Path(), info: opened.Info(), native: opened, descriptor: descriptor}
	if err := im.valid(); err != nil {
		return nil, err
	}
	return im, nil
}

func (im *Image) valid() error {
	if im.descriptor.ABI != abi.Version {
		return fmt.Errorf("%w: the plugin states ABI %d, this host has %d; "+
			"build it against this host's abi package, with ABI: abi.Version",
			ErrABIVersion, im.descriptor.ABI, abi.Version)
	}
	if im.descriptor.New == nil {
		return fmt.Errorf("%w: its Descriptor has no New", ErrNoHandler)
	}
	return checkDescription(im.descriptor.Args)
}

// Path returns the path that the image was opened from, with symbolic links resolved.
func (im *Image) Path() string { return im.path }

// API returns the name of the plugin API that the image is of.
func (im *Image) API() string {
	if im.native == nil {
		return adapters.Own
	}
	return cmp.Or(adapters.Of(im.info), adapters.Own)
}

// Module returns the path of the module that the plugin belongs to, or "" if the image doesn't say.
func (im *Image) Module() string { return im.info.Main.Path }

// Version returns the plugin's own version, as its Descriptor states it.
func (im *Image) Version() string { return im.descriptor.Version }

// Wants returns the schema, version and type of the state that instances of the image take.
func (im *Image) Wants() abi.State { return im.descriptor.State }

// Exclusive reports whether only one instance of the plugin can do its work at a time.
func (im *Image) Exclusive() bool { return im.descriptor.Exclusive }

// Cool returns as much as possible of the image's memory to the kernel. The image stays callable: its pages are read in
// again when they are needed.
func (im *Image) Cool() error {
	if im.native == nil {
		return nil
	}
	_, err := im.native.Cool()
	return err
}

// SharedWith returns a function that reports whether a package is one and the same in both images. It is if both have
// it with the same hash, because packages that differ between isolated images have content-addressed paths.
func (im *Image) SharedWith(other *Image) func(path string) bool {
	return func(path string) bool {
		hash, has := im.info.Packages[path]
		return has && other.info.Packages[path] == hash
	}
}

// SharedAmong returns which private packages the images have in common; see native.SharedAmong.
func SharedAmong(images []*Image) []native.Shared {
	infos := make([]*native.Info, len(images))
	for i, im := range images {
		infos[i] = im.info
	}
	return native.SharedAmong(infos)
}

// own reports whether the package is the image's alone: neither the program nor another opened image has it.
func (im *Image) own(pkg string) bool {
	if _, has := im.info.Packages[pkg]; !has && pkg != im.info.PluginPath || im.info.Standard(pkg) {
		return false
	}
	if self, err := native.Self(); err == nil {
		if _, has := self.Executable.Packages[pkg]; has {
			return false
		}
	}
	return !slices.ContainsFunc(native.Opened(), func(other *native.Image) bool {
		_, has := other.Info().Packages[pkg]
		return has && other.Path() != im.path
	})
}

// IsOpen reports whether this process has opened the image, or is opening it, perhaps for somebody who no longer waits.
func IsOpen(path string) bool {
	path, err := filepath.EvalSymlinks(path) // package native names images by resolved paths
	if err != nil {
		return false
	}
	return slices.Contains(native.Opening(), path) || slices.Contains(Opened(), path) // in this order: it may end between the two
}

// Opened returns the paths of all images that this process has opened, by whichever Host.
func Opened() (paths []string) {
	for _, im := range native.Opened() {
		paths = append(paths, im.Path())
	}
	return paths
}
