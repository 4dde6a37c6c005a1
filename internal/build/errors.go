package build

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sohost/sohost/native"
)

// Refused before anything is compiled.
var (
	// ErrPackage is returned when Options.Package isn't one package main that can be built: it doesn't exist, has no Go
	// files, belongs to no module, or is a library.
	ErrPackage = errors.New("not a plugin package")

	// ErrWorkspace is returned when the go command can't use the go.work file that is in force.
	ErrWorkspace = errors.New("unusable workspace")

	// ErrHost is returned when no plugin can be built for the host binary: its build info is missing or incomplete, it can't
	// load plugins, or it doesn't contain package abi.
	ErrHost = errors.New("unusable host")

	// ErrToolchain is returned when the go command's release differs from the one that built the host.
	ErrToolchain = errors.New("different toolchain")

	// ErrNoTool is returned when a program that the build needs isn't there: the go command or the C compiler.
	ErrNoTool = errors.New("missing tool")

	// ErrContract is returned when the plugin has other versions of packages that it shares with the host. The error is a
	// *ContractError.
	ErrContract = errors.New("another contract")

	// ErrFlags is returned when GOFLAGS has flags that an isolated image can't be built with.
	ErrFlags = errors.New("conflicting build flags")

	// ErrOutput is returned when Options.Output is something else than a file: a directory, or a device such as /dev/null, whose
	// place the image would take.
	ErrOutput = errors.New("unusable output")
)

// Refused after the go command has run.
var (
	// ErrCompile is returned when the sources have errors. The error is a *CompileError.
	ErrCompile = errors.New("compile errors")

	// ErrImage is returned when the image was built but the host can't load it. The error is an *ImageError.
	ErrImage = errors.New("unusable image")
)

// Refusal explains why an image was not built, and what to do about it. The output is unchanged.
type Refusal struct {
	Kind   error  // one of this package's Err values
	Reason string // the problem, in one sentence
	Want   string // what was expected, if it can be named
	Found  string // what was found instead
	Remedy string // what to do
}

func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s", r.Kind, r.Reason)
	if r.Want != "" || r.Found != "" {
		fmt.Fprintf(&b, " (want %s, found %s)", orNothing(r.Want), orNothing(r.Found))
	}
	if r.Remedy != "" {
		fmt.Fprintf(&b, "; %s", r.Remedy)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, ErrToolchain) and the like true.
func (r *Refusal) Unwrap() error { return r.Kind }

// CompileError holds what the go command reported about the sources.
type CompileError struct {
	// Package is the import path of the plugin, or Options.Package if the path isn't known.
	Package string

	// Output holds the go command's messages: lines of the form file:line:column: message, with file names relative to
	// Options.Dir where that is shorter. It doesn't end with a line break.
	Output string
}

func (e *CompileError) Error() string { return fmt.Sprintf("compile %s:\n%s", e.Package, e.Output) }

// Is makes errors.Is(err, ErrCompile) true.
func (e *CompileError) Is(target error) bool { return target == ErrCompile }

// ContractError holds every package of the host's contracts of which the plugin has another version. Nothing was compiled.
type ContractError struct {
	Package   string // import path of the plugin
	Rejection *native.Rejection
}

func (e *ContractError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s can't be built for this host:", ErrContract, e.Package)
	for _, r := range e.Rejection.Reasons {
		fmt.Fprintf(&b, "\n  %v", r)
	}
	return b.String()
}

// Unwrap makes errors.Is true for ErrContract and for each reason's native.Code.
func (e *ContractError) Unwrap() []error { return []error{ErrContract, e.Rejection} }

// ImageError holds every reason why the host can't load the image that was built.
type ImageError struct {
	Package   string // import path of the plugin
	Rejection *native.Rejection
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("%v: %s: %v", ErrImage, e.Package, e.Rejection)
}

// Unwrap makes errors.Is true for ErrImage and for each reason's native.Code.
func (e *ImageError) Unwrap() []error { return []error{ErrImage, e.Rejection} }

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
