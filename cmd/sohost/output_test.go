package main

import (
	"strings"
	"testing"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/terminal"
)

// TestOthersTexts prints texts that come from clients, by way of a plugin's panic, and from a hook's server. A terminal obeys none of them.
func TestOthersTexts(t *testing.T) {
	const clear = "\x1b[2J"
	var b strings.Builder
	printSpans(&b, &otlp.Status{Endpoint: "http://c", Error: "it says " + clear})
	printSpans(&b, &otlp.Status{Error: "it says " + clear})
	printHooks(&b, []hooks.Status{{Name: "a", Error: "it says " + clear}})
	b.WriteString(eventLine(terminal.Look{}, generations.Event{Kind: generations.KindPanic, Detail: "GET /" + clear + ": " + clear}))
	if text := b.String(); strings.Contains(text, "\x1b") || strings.Count(text, "[2J") != 5 {
		t.Errorf("%q", text)
	}
}
