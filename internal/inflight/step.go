package inflight

// A Step is a call of the host's into a plugin's code.
type Step int

// The steps of an instance's life. Their order is that of the file: new ones come last.
const (
	Open Step = iota // the inits of its packages
	New
	Start
	Stop
	Export
	ExportAs
	Import
	Adopt
	Close
	Wrap
	numSteps
)

func (s Step) String() string {
	names := [numSteps]string{"init", "New", "Start", "Stop", "Export", "ExportAs", "Import", "Adopt", "Close", "Wrap"}
	if s < 0 || s >= numSteps {
		return "unknown"
	}
	return names[s]
}
