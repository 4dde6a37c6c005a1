package otlp

import (
	"encoding/binary"
	"strings"
	"time"
)

// message is a protobuf message as it is sent. Each method adds a field; those that are zero are left out, as protobuf does.
type message []byte

// How a field is sent.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (m *message) tag(field, wire int) { *m = binary.AppendUvarint(*m, uint64(field<<3|wire)) }

func (m *message) number(field int, n int64) {
	if n != 0 {
		m.tag(field, wireVarint)
		*m = binary.AppendUvarint(*m, uint64(n))
	}
}

func (m *message) time(field int, t time.Time) {
	m.tag(field, wireFixed64)
	*m = binary.LittleEndian.AppendUint64(*m, uint64(t.UnixNano()))
}

// bytes adds a field also if it is empty: it may be one of several.
func (m *message) bytes(field int, b []byte) {
	m.tag(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}

func (m *message) text(field int, s string) {
	if s != "" {
		m.bytes(field, []byte(strings.ToValidUTF8(s, "\uFFFD")))
	}
}

func (m *message) attributes(field int, all []Attribute) {
	for _, a := range all {
		var pair, value message
		switch {
		case a.Number != nil:
			value.tag(3, wireVarint)
			value = binary.AppendUvarint(value, uint64(*a.Number))
		case len(a.Texts) > 0:
			var list message
			for _, s := range a.Texts {
				list.bytes(1, textValue(s))
			}
			value.bytes(5, list)
		default:
			value = textValue(a.Text)
		}
		pair.text(1, a.Key)
		pair.bytes(2, value)
		m.bytes(field, pair)
	}
}

// textValue returns the AnyValue of a text, which may be empty.
func textValue(s string) (value message) {
	value.bytes(1, []byte(strings.ToValidUTF8(s, "\uFFFD")))
	return value
}

// The kinds of spans, the code of one that failed, and what is known of the program that its parent is of.
const (
	kindInternal = 1
	kindServer   = 2

	codeError = 2

	flagSampled       = 1
	flagRemoteIsKnown = 1 << 8
	flagRemote        = 1 << 9
)

// encode returns the Span message.
func (s *Span) encode() (m message) {
	kind, flags := int64(kindInternal), uint32(flagSampled|flagRemoteIsKnown)
	if s.Remote {
		kind, flags = kindServer, flags|flagRemote
	}
	m.bytes(1, s.Trace[:])
	m.bytes(2, s.ID[:])
	if s.Parent != (SpanID{}) {
		m.bytes(4, s.Parent[:])
	}
	m.text(5, s.Name)
	m.number(6, kind)
	m.time(7, s.Start)
	m.time(8, s.End)
	m.attributes(9, s.Attributes)
	for _, e := range s.Events {
		var event message
		event.time(1, e.Time)
		event.text(2, e.Name)
		event.attributes(3, e.Attributes)
		m.bytes(11, event)
	}
	if s.Err != "" {
		var status message
		status.text(2, s.Err)
		status.number(3, codeError)
		m.bytes(15, status)
	}
	m.tag(16, wireFixed32)
	return binary.LittleEndian.AppendUint32(m, flags)
}

// scope names what has made the spans.
const scope = "github.com/sohost/sohost"

// request returns the ExportTraceServiceRequest with encoded spans.
func request(resource []Attribute, version string, spans [][]byte) []byte {
	var m, of, who, made, all message
	who.attributes(1, resource)
	made.text(1, scope)
	made.text(2, version)
	all.bytes(1, made)
	for _, s := range spans {
		all.bytes(2, s)
	}
	of.bytes(1, who)
	of.bytes(2, all)
	m.bytes(1, of)
	return m
}

// rejected reads an ExportTraceServiceResponse: how many spans the collector has not taken, and what it says about that. What isn't one
// says nothing.
func rejected(answer []byte) (n uint64, said string) {
	fields(answer, func(field int, _ uint64, partial []byte) {
		if field == 1 {
			fields(partial, func(field int, number uint64, text []byte) {
				switch field {
				case 1:
					n = number
				case 2:
					said = string(text)
				}
			})
		}
	})
	return n, said
}

// fields calls take for each field of a message that is a number or bytes, up to where it can't be read.
func fields(m []byte, take func(field int, number uint64, bytes []byte)) {
	for len(m) > 0 {
		tag, n := binary.Uvarint(m)
		if n <= 0 {
			return
		}
		m = m[n:]
		skip := 0
		switch tag & 7 {
		case wireVarint, wireBytes:
			number, n := binary.Uvarint(m)
			if n <= 0 {
				return
			}
			m = m[n:]
			if tag&7 == wireVarint {
				take(int(tag>>3), number, nil)
				continue
			}
			if number > uint64(len(m)) {
				return
			}
			take(int(tag>>3), 0, m[:number])
			skip = int(number)
		case wireFixed64:
			skip = 8
		case wireFixed32:
			skip = 4
		default:
			return
		}
		m = m[min(skip, len(m)):]
	}
}
