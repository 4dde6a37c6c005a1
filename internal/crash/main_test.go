package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/native"
)

// dir holds the host and the images, built once for all tests.
var dir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if dir, err = os.MkdirTemp("", "sohost-crash-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := buildAll(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func buildAll() error {
	for _, args := range [][]string{
		{"-o", built("host"), "./testdata/host"},
		{"-buildmode=plugin", "-o", built("plain"), "./testdata/plain"},
		{"-buildmode=plugin", "-o", built("unnamed"), "./testdata/plain/plain.go"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	for _, name := range []string{"crasher", "other"} {
		opts := build.Options{Package: "./testdata/" + name, Output: built(name), Host: built("host")}
		if _, err := build.Build(context.Background(), opts); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return nil
}

// built is the file of the host or of an image.
func built(name string) string {
	if name == "host" {
		return filepath.Join(dir, "host")
	}
	return filepath.Join(dir, name+".so")
}

func inspect(t *testing.T, name string) *native.Info {
	t.Helper()
	info, err := native.InspectFile(built(name))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// opened are the images as a host that has them open would pass them.
func opened(t *testing.T, names ...string) []Image {
	t.Helper()
	host := inspect(t, "host")
	var images []Image
	for _, name := range names {
		images = append(images, Image{ID: name, Packages: OwnPackages(inspect(t, name), host)})
	}
	return images
}
