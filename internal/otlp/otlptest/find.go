package otlptest

import (
	"slices"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
)

// With returns attributes as texts. The elements of a list are separated by commas.
func With(attributes []*commonpb.KeyValue) map[string]string {
	texts := map[string]string{}
	for _, a := range attributes {
		texts[a.Key] = text(a.Value)
	}
	return texts
}

func text(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_ArrayValue:
		var all []string
		for _, e := range v.ArrayValue.Values {
			all = append(all, text(e))
		}
		return strings.Join(all, ",")
	}
	return v.GetStringValue()
}

// Find returns the first span of that name with these attributes, names and values in turn; its Span is nil if there is none.
func Find(all []Span, name string, with ...string) Span {
	i := slices.IndexFunc(all, func(s Span) bool {
		for i := 0; i < len(with); i += 2 {
			if s.With[with[i]] != with[i+1] {
				return false
			}
		}
		return s.Name == name
	})
	if i < 0 {
		return Span{}
	}
	return all[i]
}

// Children returns the names of the spans within one.
func Children(all []Span, of Span) (names []string) {
	for _, s := range all {
		if string(s.ParentSpanId) == string(of.SpanId) && string(s.TraceId) == string(of.TraceId) {
			names = append(names, s.Name)
		}
	}
	return names
}
