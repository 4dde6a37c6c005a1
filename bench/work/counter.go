package work

// A Counter is a plugin as its program sees it.
type Counter interface {
	Next(n int) int
	Count(text string) int
	Version() int
}

// New returns the counter that is compiled in.
func New() Counter { return &counter{} }

type counter struct{ _ int }

//go:noinline
func (c *counter) Next(n int) int { return Next(n) }

func (c *counter) Count(text string) int { return Count(text) }
func (c *counter) Version() int          { return Version() }
