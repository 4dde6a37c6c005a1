package native

import "sync"

// Process is what Check needs to know about a host process.
type Process struct {
	// Executable is the program.
	Executable *Info `json:"executable"`

	// Loaded lists the images that the process has mapped, oldest first: of equal symbols the runtime uses the oldest.
	Loaded []Loaded `json:"loaded,omitempty"`

	program *program // has its symbols; nil if only facts are known
}

// Loaded is an image that a process has mapped, and can't unmap.
type Loaded struct {
	Path string `json:"path"`
	Info *Info  `json:"info"`

	// Broken reports that opening the image failed, or continues after its caller stopped waiting: not all of it is initialised.
	Broken bool `json:"broken,omitempty"`
}

// Self returns the facts of the running process. They don't include images that were opened with package plugin directly
// instead of with Open.
func Self() (*Process, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	return &Process{Executable: self.Executable, Loaded: opened.loaded(), program: self.program}, nil
}

// executable is read once: the bytes behind /proc/self/exe stay the same even if another file replaces the program.
var executable = sync.OnceValues(func() (*Process, error) {
	return ProcessOf("/proc/self/exe")
})

// ProcessOf returns the facts of a new process of the host program in a file. The errors are those of InspectFile. Whether the
// program can open images at all is for Check to decide.
func ProcessOf(binary string) (*Process, error) {
	exe, file, err := inspectFile(binary, true)
	if err != nil {
		return nil, err
	}
	return &Process{Executable: exe, program: &program{path: binary, file: file}}, nil
}

// With returns the facts of the process as they would be if it had also opened the image. With it, a release of several images
// can be checked in order, for a process that doesn't run yet.
func (p *Process) With(path string, img *Info) *Process {
	loaded := append(p.Loaded[:len(p.Loaded):len(p.Loaded)], Loaded{Path: path, Info: img})
	return &Process{Executable: p.Executable, Loaded: loaded, program: p.program}
}
