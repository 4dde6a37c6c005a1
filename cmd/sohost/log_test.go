package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/terminal"
)

// TestLogTrace writes a stack below its line, in a text for people, and as it is in JSON.
func TestLogTrace(t *testing.T) {
	const stack = "goroutine 5 [running]:\npanic({0x1?, 0x2?})\n\truntime/panic.go:783 +0x132\nexample.com/a_gki9AoDGgo9m2.Do(0x1)\n\texample.com/a/b/c.go:6 +0x9d\n"
	var b bytes.Buffer
	log, err := newLogger(&b, "text", false)
	if err != nil {
		t.Fatal(err)
	}
	log.With("plugin", "p").Error("panic in plugin", "panic", "boom", "module", "example.com/a", "stack", stack)
	log.Info("after", "bytes", int64(2048))
	if _, text, _ := strings.Cut(b.String(), " "); !strings.HasPrefix(text, "ERR panic in plugin plugin=p panic=boom\n  b/c.go:6  a.Do\n") ||
		!strings.HasSuffix(text, " INF after bytes=\"2.0 KiB\"\n") {
		t.Errorf("%s", b.String())
	}
	b.Reset()
	if log, err = newLogger(&b, "json", false); err != nil {
		t.Fatal(err)
	}
	log.Error("panic in plugin", "stack", stack)
	if !strings.Contains(b.String(), `"stack":"goroutine 5 [running]:\npanic(`) {
		t.Errorf("%s", b.String())
	}
}

// seen is a text with a look.
type seen struct {
	bytes.Buffer
	look terminal.Look
}

func (s *seen) Look() terminal.Look { return s.look }

// TestLogUnprintable logs texts in which something can't be printed, with and without color: all of each is there, and no order to a terminal.
func TestLogUnprintable(t *testing.T) {
	for _, color := range []bool{false, true} {
		b := &seen{look: terminal.Look{Color: color}}
		log, err := newLogger(b, "text", false)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("m\x00 end1", "k\xff_end2", "v\x00\xff end3", "err", errors.New("a\x1b[2J end4"), "all", []string{"b\x07\ufffd", "end5"})
		for _, want := range []string{"end1", "k?_end2", "v?? end3", "a?[2J end4", "[b?? end5]"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q lacks %q", b.String(), want)
			}
		}
		if strings.Contains(b.String(), "\x1b[2J") {
			t.Errorf("%q", b.String())
		}
	}
}

// failure is an error that can't be printed if it is a nil pointer.
type failure struct{ text string }

func (f *failure) Error() string { return f.text }

// TestLogValues logs values as plugins may give them: none panics in the plugin's call, and bytes are text.
func TestLogValues(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{(*failure)(nil), "v=<nil>"}, {error(nil), "v=<nil>"}, {&failure{"worse"}, "v=worse"}, {[]byte("text"), "v=text"}, {struct{ A int }{1}, "v={A:1}"},
	} {
		b := &seen{}
		log, err := newLogger(b, "text", false)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("m", "v", test.value)
		if !strings.Contains(b.String(), test.want) {
			t.Errorf("%T: %q lacks %q", test.value, b.String(), test.want)
		}
	}
}
