package build

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/native"
)

func TestIsRenamed(t *testing.T) {
	p := &plan{Roles: map[string]role{
		"a": roleFresh, "b": rolePrivate, "c": roleShared, "models": rolePrivate, "models_generated_api": roleShared,
	}}
	for compiled, want := range map[string]bool{
		"a_g0123456789ab": true, "b_gabcdefghijkl": true, "c_g0123456789ab": false, "a": false, "d_g0123456789ab": false,
		"models_g0123456789ab": true, "models_generated_api": false, "_g0123456789ab": false, "a_x0123456789ab": false,
	} {
		if got := p.isRenamed(compiled); got != want {
			t.Errorf("%s is renamed: %v", compiled, got)
		}
	}
}

// checkSealed checks that the seal of a built image names its private packages, and that a changed byte shows.
func checkSealed(t *testing.T, image string) {
	t.Helper()
	info, err := native.InspectFile(image)
	if err != nil {
		t.Fatal(err)
	}
	renamed := regexp.MustCompile(`_g[0-9A-Za-z_]{12}$`)
	private := 0
	for pkg := range info.Packages {
		if renamed.MatchString(pkg) {
			private++
		}
	}
	if info.Seal == nil || len(info.Seal.Private) != private || private == 0 || !info.Isolated {
		t.Errorf("%d private packages, isolated: %v, sealed as %+v", private, info.Isolated, info.Seal)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	other := image + ".damaged"
	b[len(b)/2] ^= 1
	if err := os.WriteFile(other, b, 0o644); err != nil {
		t.Fatal(err)
	}
	process, err := native.ProcessOf(hostFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := native.InspectFile(other); err == nil || native.Check(info, process, native.Requirements{}) != nil {
		t.Errorf("a flipped bit: %v; the image itself: %v", err, native.Check(info, process, native.Requirements{}))
	}
	if diff := cmp.Diff(native.SealedValue, info.Settings[native.SealedSetting]); diff != "" {
		t.Error(diff)
	}
}
