package build

import "github.com/sohost/sohost/native"

// sealedSetting is the line in the build info of images that end with a seal.
const sealedSetting = native.SealedSetting + "=" + native.SealedValue

// seal appends the seal to a linked image: a digest of its content, and which of its packages were renamed. It comes after all
// that changes the file.
func seal(image string, p *plan, s native.Seal) error {
	return native.SealFile(image, p.isRenamed, s)
}

// isRenamed reports whether a package of the image is a private one. Packages that keep their paths are in the plan under those.
func (p *plan) isRenamed(compiled string) bool {
	end := len(compiled) - len(renamed("", "")) - idLen
	if end <= 0 || p.Roles[compiled] == roleShared {
		return false
	}
	path := compiled[:end]
	return p.private(path) && compiled == renamed(path, compiled[len(compiled)-idLen:])
}
