package crash

import (
	"strings"
	"unicode"
)

var (
	// A signal that did not become a panic.
	signalLine = pattern(`(?m)^(SIG[A-Z0-9]+: .*|[Ss]ignal \d+)$`)
	codeLine   = pattern(`(?m)^PC=\S+ m=\d+ sigcode=(\d+)`)

	// A signal that became a panic or a fatal error.
	faultLine = pattern(`(?m)^\[signal (.*?) code=`)

	// A panic's text continues in indented lines, and so do the panics that followed it.
	panicText = pattern(`(?m)^(?:panic|fatal error): .*(?:\n\t.*)*`)
)

// reason returns the reason, from the text before the goroutines, or else from their functions. It is "" if neither shows it.
func reason(head string, goroutines []Goroutine) string {
	if text := panicText().FindString(head); text != "" {
		return text
	}
	if name := signalLine().FindString(head); name != "" {
		if strings.Contains(head, "\nsignal arrived during cgo execution\n") {
			name += " during cgo execution"
		}
		return name
	}
	if m := faultLine().FindStringSubmatch(head); m != nil {
		return m[1]
	}
	for _, g := range goroutines[:min(len(goroutines), 2)] { // the system stack may come first
		for i, f := range g.Frames {
			if isFatal(f) {
				return fatalReason(f, g.Frames[i+1:])
			}
		}
	}
	return ""
}

// isFatal reports whether the runtime ends the process by calling this function. Packages that work closely with the runtime
// have such functions of their own.
func isFatal(f Frame) bool {
	switch f.Package {
	case "runtime", "internal/runtime/maps", "sync", "internal/sync":
		name := strings.TrimPrefix(f.Func, f.Package+".")
		return name == "throw" || name == "fatal"
	}
	return false
}

// fatalReason infers a fatal error from the caller of the function that ends the process, because the runtime writes its message
// only to standard error.
func fatalReason(fatal Frame, callers []Frame) string {
	if fatal.Package == "internal/runtime/maps" {
		return "fatal error: concurrent map access"
	}
	if len(callers) == 0 {
		return "fatal error"
	}
	switch name := callers[0].Func; name {
	case "runtime.newstack":
		return "fatal error: stack overflow"
	case "runtime.(*mcache).allocLarge", "runtime.(*mcache).refill",
		"runtime.persistentalloc1", "runtime.sysMapOS", "runtime.sysUsedOS":
		return "fatal error: out of memory"
	default:
		return "fatal error in " + name
	}
}

// sent reports whether the process was ended by a signal from another process. Its code is 0 (SI_USER), or -1 after sigqueue.
func sent(head string) bool {
	if panicText().MatchString(head) {
		return false
	}
	if strings.HasPrefix(signalLine().FindString(head), "SIGQUIT: ") {
		return true
	}
	m := codeLine().FindStringSubmatch(head)
	return m != nil && (m[1] == "0" || m[1] == "18446744073709551615" || m[1] == "4294967295")
}

const maxReason = 300

// oneLine turns text into one printable line of at most maxReason characters.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxReason {
		text = string(runes[:maxReason-1]) + "…"
	}
	return text
}
