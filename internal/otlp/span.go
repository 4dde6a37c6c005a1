package otlp

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// TraceID says which spans belong together; the zero value is none.
type TraceID [16]byte

// SpanID is a span's own; the zero value is none.
type SpanID [8]byte

// NewTraceID returns a TraceID that nobody else has.
func NewTraceID() (id TraceID) {
	rand.Read(id[:])
	return id
}

// NewSpanID returns a SpanID that no other span has.
func NewSpanID() (id SpanID) {
	rand.Read(id[:])
	return id
}

// Span is an operation that has ended.
type Span struct {
	Trace      TraceID
	ID         SpanID
	Parent     SpanID // zero: none
	Remote     bool   // Parent is of another program
	Name       string
	Start, End time.Time
	Attributes []Attribute
	Events     []Event
	Err        string // why the operation failed; empty: it didn't
}

// Event is something that happened within a span.
type Event struct {
	Time       time.Time
	Name       string
	Attributes []Attribute
}

// Attribute is a key with a value: Text, unless Texts or Number is set.
type Attribute struct {
	Key    string
	Text   string
	Texts  []string
	Number *int64
}

// Text returns an Attribute of a text.
func Text(key, value string) Attribute { return Attribute{Key: key, Text: value} }

// Texts returns an Attribute of several texts, of which there must be one at least.
func Texts(key string, values []string) Attribute { return Attribute{Key: key, Texts: values} }

// Number returns an Attribute of a number.
func Number[N int | int64 | time.Duration](key string, value N) Attribute {
	n := int64(value)
	return Attribute{Key: key, Number: &n}
}

// Parent is the span of another program that has asked for an operation.
type Parent struct {
	Trace   TraceID
	Span    SpanID
	Sampled bool // that program keeps the trace
}

// ParseParent reads a traceparent as W3C Trace Context defines it. ok is unset if it is none.
func ParseParent(text string) (p Parent, ok bool) {
	parts := strings.Split(strings.TrimSpace(text), "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 {
		return Parent{}, false
	}
	var version, flags [1]byte
	for i, to := range [][]byte{version[:], p.Trace[:], p.Span[:], flags[:]} {
		if len(parts[i]) != 2*len(to) || strings.ToLower(parts[i]) != parts[i] {
			return Parent{}, false
		}
		if _, err := hex.Decode(to, []byte(parts[i])); err != nil {
			return Parent{}, false
		}
	}
	p.Sampled = flags[0]&1 != 0
	return p, p.Trace != TraceID{} && p.Span != SpanID{}
}

// String returns the traceparent.
func (p Parent) String() string {
	flags := 0
	if p.Sampled {
		flags = 1
	}
	return fmt.Sprintf("00-%x-%x-%02x", p.Trace, p.Span, flags)
}
