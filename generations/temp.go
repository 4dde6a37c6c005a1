package generations

import "strings"

// tempMark is in every temporary name that this package makes: .NAME.sohost-tmp-DIGITS. NAME says what is being written.
// The mark makes the name ours beyond doubt, so that OpenStore can remove leftovers and touch nobody else's dot files.
const tempMark = ".sohost-tmp-"

// tempPattern returns the pattern for createTemp and mkdirTemp, which replace the star with digits that nothing else has.
func tempPattern(name string) string { return "." + name + tempMark + "*" }

// tempName returns the one temporary name of something that is written under the store's lock, where no second writer
// can want the same name.
func tempName(name string) string { return "." + name + tempMark + "0" }

// isTemp reports whether tempPattern or tempName could have made the name.
func isTemp(name string) bool {
	i := strings.LastIndex(name, tempMark)
	if i < 2 || name[0] != '.' {
		return false
	}
	digits := name[i+len(tempMark):]
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
