package crash

import (
	"strconv"
	"strings"
)

// A Trace is the parsed output of a crash.
type Trace struct {
	// Reason is why the process crashed, in one line of at most 300 characters: "panic: boom", "fatal error: stack overflow",
	// "SIGSEGV: segmentation violation during cgo execution". It is empty if the output doesn't show it.
	Reason string

	Head string // what was printed before the first goroutine

	Goroutines []Goroutine // in the order of the output

	sent bool // the signal came from another process: nothing crashed
}

// A Goroutine is one goroutine as printed.
type Goroutine struct {
	ID    int    // 0 for the runtime's system stack
	State string // "running", "syscall", "select (no cases)", …

	// Frames are the calls, the innermost first. The runtime often omits its own, and the middle of a deep stack.
	Frames []Frame

	// CreatedBy is the function with the go statement, or the zero Frame.
	CreatedBy Frame

	elsewhere bool // on another thread than the crash
}

// maxFrames limits the frames of one goroutine. The runtime prints no more than a hundred.
const maxFrames = 200

var (
	goroutineLine = pattern(`^goroutine (\d+)(?: gp=\S+)?(?: m=\S+)?(?: mp=\S+)? \[(.*)\]:$`)
	createdLine   = pattern(`^created by (\S+)(?: in goroutine \d+)?$`)
	ancestorLine  = pattern(`^\[originating from goroutine \d+\]:$`)
)

// Parse parses an output. It never fails: it skips what it doesn't understand, and a last line that was cut off.
//
// A plugin's text, such as the value of a panic, can't be mistaken for a trace, because the runtime indents all its lines but the
// first.
func Parse(output string) *Trace {
	output = truncate(output)
	p := parser{trace: &Trace{}}
	for rest := output; ; {
		line, after, whole := strings.Cut(rest, "\n")
		if !whole {
			break
		}
		p.line(line)
		rest = after
	}
	t := p.trace
	head := output[:p.head]
	if len(t.Goroutines) == 0 {
		head = output
	}
	t.Head, t.sent = head, sent(head)
	t.Reason = oneLine(reason(head, t.Goroutines))
	return t
}

// parser reads an output line by line.
type parser struct {
	trace *Trace
	head  int // bytes before the first goroutine

	in    *Goroutine // the current one; nil outside
	frame *Frame     // the frame that the previous line began
}

func (p *parser) line(s string) {
	frame := p.frame
	p.frame = nil
	switch {
	case p.header(s):
	case len(p.trace.Goroutines) == 0:
		p.head += len(s) + 1
	case s == "" || ancestorLine().MatchString(s):
		p.in = nil
	case p.in == nil:
	case s == "\tgoroutine running on other thread; stack unavailable":
		p.in.elsewhere = true
	case strings.HasPrefix(s, "\t"):
		if frame != nil {
			frame.File, frame.Line = location(s[1:])
		}
	case strings.HasPrefix(s, "created by "):
		if m := createdLine().FindStringSubmatch(s); m != nil {
			p.in.CreatedBy = newFrame(m[1])
			p.frame = &p.in.CreatedBy
		}
	case len(p.in.Frames) < maxFrames:
		if name, ok := call(s); ok {
			p.in.Frames = append(p.in.Frames, newFrame(name))
			p.frame = &p.in.Frames[len(p.in.Frames)-1]
		}
	}
}

// header begins a goroutine if the line is the header of one, and reports whether it is.
func (p *parser) header(s string) bool {
	g := Goroutine{State: "running"}
	if s != "runtime stack:" {
		if !strings.HasPrefix(s, "goroutine ") {
			return false
		}
		m := goroutineLine().FindStringSubmatch(s)
		if m == nil {
			return false
		}
		id, err := strconv.Atoi(m[1])
		if err != nil {
			return false
		}
		g.ID, g.State = id, m[2]
		for _, end := range []string{",", " labels:"} { // such as ", 5 minutes" and ", locked to thread"
			g.State, _, _ = strings.Cut(g.State, end)
		}
	}
	p.trace.Goroutines = append(p.trace.Goroutines, g)
	p.in = &p.trace.Goroutines[len(p.trace.Goroutines)-1]
	return true
}
