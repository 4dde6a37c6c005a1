package otlp

import (
	"encoding/binary"
	"strconv"
)

// Sampler reports whether a trace is kept. parent is nil if no other program has begun it.
type Sampler func(trace TraceID, parent *Parent) bool

func always(TraceID, *Parent) bool { return true }

func never(TraceID, *Parent) bool { return false }

// ratio keeps a part of all traces, and the same ones as other programs with the same ratio do.
func ratio(of float64) Sampler {
	if of >= 1 {
		return always
	}
	limit := uint64(of * (1 << 63))
	return func(t TraceID, _ *Parent) bool { return binary.BigEndian.Uint64(t[8:])>>1 < limit }
}

// parentBased does as the other program does that has begun a trace, and otherwise as root says.
func parentBased(root Sampler) Sampler {
	return func(t TraceID, p *Parent) bool {
		if p != nil {
			return p.Sampled
		}
		return root(t, p)
	}
}

// sampler returns the one that the environment names. By default all is kept that no other program has decided about.
func (e *env) sampler() Sampler {
	part := func() Sampler {
		const name = "OTEL_TRACES_SAMPLER_ARG"
		text := e.text(name, "1")
		of, err := strconv.ParseFloat(text, 64)
		if err != nil || !(of >= 0 && of <= 1) {
			e.ignore(name, text, "want a ratio from 0 to 1")
			of = 1
		}
		return ratio(of)
	}
	const name = "OTEL_TRACES_SAMPLER"
	switch which := e.text(name, "parentbased_always_on"); which {
	case "always_on":
		return always
	case "always_off":
		return never
	case "traceidratio":
		return part()
	case "parentbased_always_on":
	case "parentbased_always_off":
		return parentBased(never)
	case "parentbased_traceidratio":
		return parentBased(part())
	default:
		e.ignore(name, which, "want one of always_on, always_off, traceidratio, or parentbased_ and one of these")
	}
	return parentBased(always)
}
