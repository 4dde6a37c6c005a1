package integration

import "testing"

// TestParseLine reads a line of the log that begins where another process has written half of its own.
func TestParseLine(t *testing.T) {
	const logged = `{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"serving","url":"http://127.0.0.1:1"}`
	for text, want := range map[string]string{
		logged:                                 "serving",
		"gc 3 @0.218s 2%: 0.052+0.39" + logged: "serving",
		"+0.002 ms clock":                      "+0.002 ms clock",
		`half {"time":"2026-`:                  `half {"time":"2026-`,
	} {
		if got := parseLine(text).text("msg"); got != want {
			t.Errorf("%s: the message is %q, want %q", text, got, want)
		}
	}
}
