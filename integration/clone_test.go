package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sohost/sohost/internal/clone"
	"github.com/sohost/sohost/native"
)

// cloner makes distinct images of one isolated image without building.
type cloner struct {
	*clone.Cloner
	seal native.Seal // of the image
}

// isolatedPath is what the private packages of an isolated image look like.
var isolatedPath = regexp.MustCompile(`_g[A-Za-z0-9_]{12}$`)

// newCloner clones the image of the main package with that import path.
func newCloner(t testing.TB, image, mainPackage string) *cloner {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(mainPackage) + `_g([A-Za-z0-9_]{12})`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s is not an isolated image of %s", image, mainPackage)
	}
	info, err := native.InspectFile(image)
	if err != nil {
		t.Fatal(err)
	}
	c, err := clone.New(b, "_g", string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return &cloner{c, *info.Seal}
}

// clone writes one more image.
func (c *cloner) clone(t testing.TB) string {
	t.Helper()
	image, id := c.Clone()
	file := filepath.Join(t.TempDir(), fmt.Sprintf("clone-%s.so", id))
	if err := os.WriteFile(file, image, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := native.SealFile(file, isolatedPath.MatchString, c.seal); err != nil {
		t.Fatal(err)
	}
	return file
}
