package build

import (
	"fmt"
	"strconv"
	"strings"
)

// modinfo removes the marks from the build info that the linker puts into the image, and makes it state the compiler flags of
// the other packages, which are the host's, and that the image is sealed. quoted is the text as the linker gets it: the build info between two magic
// numbers of 16 bytes, as a Go string.
func modinfo(quoted string, p *plan) (string, error) {
	s, err := strconv.Unquote(quoted)
	if err != nil {
		return "", fmt.Errorf("read the build info: %w", err)
	}
	var out strings.Builder
	sealed := false
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "build\t-gcflags=") {
			if p.GCFlags != "" {
				out.WriteString("build\t-gcflags=" + settingValue(p.GCFlags) + "\n")
			}
			continue
		}
		if p.Slim && line == "build\t-asmflags=std="+slimFlag+"\n" {
			continue
		}
		if strings.HasPrefix(line, "build\t") && !sealed {
			sealed = true
			out.WriteString("build\t" + sealedSetting + "\n")
		}
		out.WriteString(line)
	}
	return strconv.Quote(out.String()), nil
}

// settingValue quotes a value as runtime/debug.BuildInfo.String does.
func settingValue(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\r\n\"`") {
		return strconv.Quote(s)
	}
	return s
}
