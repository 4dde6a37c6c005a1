package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/sohost/sohost/internal/wall"
	"github.com/sohost/sohost/native"
)

// probeEnv is the environment variable that makes a process the child of a probe.
const probeEnv = "SOHOST_PROBE"

// probeOrder is what a child is to open. It is the child's task, see package wall.
type probeOrder struct {
	Beside []string `json:"beside,omitempty"` // first; whether they open doesn't matter
	Images []string `json:"images"`

	// Facts are those of the one image, if the parent has found it good: the child would read and judge again what the parent has.
	Facts *native.Info `json:"facts,omitempty"`

	Describe bool `json:"describe,omitempty"` // what the Descriptor of the last image says is reported
}

// In the child of a probe, this init function is all of the program that runs: neither main nor the init functions of
// packages that import this one do.
func init() {
	if os.Getenv(probeEnv) != "" {
		os.Exit(probeChild())
	}
}

// probeResult is what the child reports. If it reports nothing, the image has ended it.
type probeResult struct {
	Refused string   `json:"refused,omitempty"`
	Changed []Change `json:"changed,omitempty"`

	Described *Description `json:"described,omitempty"`
}

// maxRefused is the size, in bytes, at which a child cuts off the refusal that it reports. However JSON escapes it, it fits into a
// message of the wall.
const maxRefused = 8 << 10

// probeChild is the whole life of a child. A spare one goes the same way as any other: it only gets its order later.
func probeChild() int {
	inside, order, err := awaitOrder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if inside.Report(order.probe()) != nil {
		return 1
	}
	return 0
}

// awaitOrder does all that a child can do before it knows its images, and waits for the order. The error says that the parent is gone,
// or that the wall can't be entered.
func awaitOrder() (*wall.Inside, probeOrder, error) {
	os.Unsetenv(probeEnv) // programs that an image starts must not be probes
	inside, err := wall.Enter()
	if err != nil {
		return nil, probeOrder{}, err
	}
	ReadSettings() // the first reading takes 0.4 ms, a later one 0.1: a spare child has the time now
	text, err := inside.Task()
	if err != nil {
		return nil, probeOrder{}, err
	}
	var order probeOrder
	if err := json.Unmarshal(text, &order); err != nil {
		return nil, probeOrder{}, fmt.Errorf("order: %w", err)
	}
	return inside, order, nil
}

// open opens one of the images.
func (o probeOrder) open(image string) (*Image, error) {
	if o.Facts != nil {
		return described(native.OpenJudged(context.Background(), image, o.Facts))
	}
	return Open(context.Background(), image)
}

// probe opens the images.
func (o probeOrder) probe() (r probeResult) {
	for _, image := range o.Beside {
		Open(context.Background(), image)
	}
	before := ReadSettings()
	for _, image := range o.Images {
		opened, err := o.open(image)
		if err == nil && o.Describe {
			r.Described = opened.describe()
		}
		if err != nil {
			r.Refused = err.Error()
			if len(r.Refused) > maxRefused {
				r.Refused = strings.ToValidUTF8(r.Refused[:maxRefused], "") + "…"
			}
			break
		}
	}
	r.Changed = before.Changes()
	// What the runtime believes of an image only when it collects garbage or unwinds a stack.
	runtime.GC()
	runtime.Stack(make([]byte, 1<<16), true)
	return r
}
