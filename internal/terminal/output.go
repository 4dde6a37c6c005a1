// Package terminal writes for people: in color and as wide as the terminal where there is one, and plainly elsewhere.
package terminal

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Mode says when an Output is in color. The zero value is Auto.
type Mode string

const (
	Auto   Mode = "auto"   // on a terminal, and as NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM say
	Always Mode = "always" // whatever it is written to
	Never  Mode = "never"
)

// ParseMode returns the mode of that name.
func ParseMode(name string) (Mode, error) {
	switch m := Mode(name); m {
	case Auto, Always, Never:
		return m, nil
	}
	return "", errors.New("want auto, always or never")
}

// Output is a file that text for people is written to.
type Output struct {
	*os.File
	mode   Mode
	failed atomic.Pointer[error] // of the first write that has failed
}

// NewOutput returns an output in mode Auto.
func NewOutput(f *os.File) *Output { return &Output{File: f, mode: Auto} }

// Write is that of a file. Err tells later whether it has failed.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if err != nil {
		o.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// WriteString is Write for a string.
func (o *Output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// Err returns the error of the first write that has failed, or nil.
func (o *Output) Err() error {
	if err := o.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// SetMode says when the output is in color. It must not be called while something is written.
func (o *Output) SetMode(m Mode) { o.mode = m }

// Look describes the output as it is now: the terminal's size may change.
func (o *Output) Look() Look {
	var l Look
	tty := isTTY(o.File)
	l.Redraws = tty && os.Getenv("TERM") != "dumb"
	switch o.mode {
	case Always:
		l.Color = true
	case Never:
	default:
		l.Color = autoColor(l.Redraws)
	}
	if size, err := unix.IoctlGetWinsize(int(o.Fd()), unix.TIOCGWINSZ); tty && err == nil {
		l.Width, l.Height = int(size.Col), int(size.Row)
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		l.Width = n
	}
	if tty && l.Width == 0 {
		l.Width = 80
	}
	if tty && l.Height == 0 {
		l.Height = 24
	}
	return l
}

// autoColor decides by the variables that programs have in common. The first of them that says something counts.
func autoColor(terminal bool) bool {
	switch {
	case os.Getenv("NO_COLOR") != "":
		return false
	case os.Getenv("CLICOLOR_FORCE") != "" && os.Getenv("CLICOLOR_FORCE") != "0":
		return true
	case os.Getenv("CLICOLOR") == "0":
		return false
	}
	return terminal
}

func isTTY(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Look is what can be seen where a text is written. The zero value is that of a file: without color, and as wide as need be.
type Look struct {
	Color   bool
	Redraws bool // what was written can be written over
	Width   int  // in columns; 0 if there is no limit
	Height  int  // in lines; 0 if there is no limit
}

// LookOf returns the look of a writer that has a method Look, as Output and Page do, and of an *os.File. Others have that of a file.
func LookOf(w io.Writer) Look {
	switch w := w.(type) {
	case interface{ Look() Look }:
		return w.Look()
	case *os.File:
		return NewOutput(w).Look()
	}
	return Look{}
}
