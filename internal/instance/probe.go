package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/wall"
	"github.com/sohost/sohost/native"
)

// Prober probes images. NewProber makes one.
type Prober struct {
	log    *slog.Logger
	wall   wall.Wall
	spares spares
}

// NewProber returns a prober.
func NewProber(log *slog.Logger) *Prober {
	p := &Prober{log: log}
	p.spares.start, p.spares.after = p.startSpare, afterFunc
	return p
}

// ProbeOptions says how images are probed.
type ProbeOptions struct {
	// Limit is how long the probe may take. Time in which the child waits for a CPU doesn't count, up to six times the
	// limit in all. Default: no limit.
	Limit time.Duration

	// Memory is how many bytes of memory the child may take. Default: half of the machine's, at most 2 GiB.
	Memory int64

	// MustHold makes the probe fail, before it opens anything, if the child could reach this process.
	MustHold bool

	// Unwalled gives the child all the rights of this process.
	Unwalled bool

	// Describe has Probed.Described set.
	Describe bool

	// Judged says that Check has just found the one image good, so that the child takes that and the facts from this process instead of
	// reading the image and the program itself. Without the facts, because another image was inspected meanwhile, it judges all the same.
	Judged bool

	// Beside lists images that are open in this process. After all has gone well, a second child opens them before the others: what
	// ends a process in which others are open need not end one of its own. Default: there is no second child.
	Beside []string
}

// Probed is what is known of images that could be opened in a child process.
type Probed struct {
	Tried   []string // what their init functions tried and the wall didn't let them do
	Changed []Change // the settings of the process that they changed

	Described *Description // what the last image's Descriptor says; nil unless ProbeOptions.Describe is set
}

// ErrTooSlow is returned when a plugin's code took longer than it may.
var ErrTooSlow = wall.ErrLimit

// WallLayer is one layer of the wall around the child of a probe.
type WallLayer = wall.Layer

// Layers returns the layers of the wall that the last probe had, nil if there was none yet.
func (p *Prober) Layers() []WallLayer { return p.wall.Layers() }

// Probe opens images one after the other in a child process of the same program, which it then throws away. Some things
// that an image does can't be caught (os.Exit or a fatal error in an init function, a crash in C code), and some
// failures leave a permanent mark in the process. A probe lets them happen to the child. The images' init functions run
// there once more than they otherwise would. New doesn't run, because it may take ports and files that this process
// has.
//
// The child is behind a wall (see package wall): it reads files, and that is all that it can do to the world. An image
// whose init functions signal, trace or mount is refused for that. Other things that the wall doesn't permit fail with an
// error; if the image can be opened all the same, Probed lists them.
//
// Probe blocks until the child has ended, and kills it when ctx ends or the limit is reached. When Probe returns, the
// child and all that it has started are gone. The error says what the child reported, or how the image ended it, and what
// part the wall may have had in it. If this program can't start itself, Probe logs that and returns nil.
func (p *Prober) Probe(ctx context.Context, o ProbeOptions, images ...string) (Probed, error) {
	order := probeOrder{Images: images, Describe: o.Describe}
	if o.Judged && len(images) == 1 {
		order.Facts = factsOf(images[0])
	}
	probed, err := p.probe(ctx, o, order)
	if err != nil || len(o.Beside) == 0 {
		return probed, err
	}
	// Only an end counts. Whether this process would refuse the image is no longer a matter of its safety.
	if _, err := p.probe(ctx, o, probeOrder{Beside: o.Beside, Images: images}); errors.Is(err, errEnded) {
		return probed, fmt.Errorf("alone it can be opened, but beside the images that this process has open %w", err)
	}
	return probed, nil
}

// factsOf returns what a child needs to know of an image that this process has just found good, or nil.
func factsOf(image string) *native.Info {
	inspected := native.Inspected(image)
	if inspected == nil {
		return nil
	}
	facts := *inspected
	facts.Takes = nil // only Check asks for these thousands
	return &facts
}

// errEnded is returned when an image has ended the child of its probe.
var errEnded = errors.New("opening it ended the child process that tried")

// probe is Probe for one child.
func (p *Prober) probe(ctx context.Context, o ProbeOptions, order probeOrder) (Probed, error) {
	task, err := json.Marshal(order)
	if err != nil {
		return Probed{}, fmt.Errorf("probe: %w", err)
	}
	out, output, err := p.inChild(ctx, o.wall(), task)
	if errors.Is(err, syscall.ENOEXEC) { // a program that runs under an emulator can't start itself
		p.log.Warn("images are opened without a probe: this program can't start itself", "err", err)
		return Probed{}, nil
	}
	probed := Probed{Tried: out.Tried}
	var r probeResult
	reported := out.Report != nil && json.Unmarshal(out.Report, &r) == nil
	probed.Changed, probed.Described = r.Changed, r.Described
	switch {
	case out.Harm != "":
		return probed, fmt.Errorf("its init functions tried to %s; the probe ended them, and this process was out of their reach; "+
			"an image that does this can't be loaded", out.Harm)
	case err != nil && !out.Started:
		return probed, fmt.Errorf("probe: start a child: %w", err)
	case errors.Is(err, ErrTooSlow):
		err = fmt.Errorf("opening it in a child process has not returned: %w; let New or Start do what takes its init functions long, "+
			"or allow more with open_timeout", err)
	case err != nil:
		err = fmt.Errorf("opening it in a child process has not returned: %w", err)
	case !reported:
		err = fmt.Errorf("%w: %s%s", errEnded, exitStatus(out.Status), output.String())
	case r.Refused != "":
		err = errors.New(r.Refused)
	case len(barred(r.Changed)) > 0:
		return probed, fmt.Errorf("its init functions took from the process what the server needs (%s); an image that does this can't be loaded: "+
			"run the server as that user, or do it in a process of its own", strings.Join(barred(r.Changed), "; "))
	}
	return probed, walled(err, out, output.b.String())
}

// wall returns the options of the wall around the child.
func (o ProbeOptions) wall() wall.Options {
	return wall.Options{Limit: o.Limit, Memory: o.Memory, MustHold: o.MustHold, Unwalled: o.Unwalled}
}

// inChild has a child do the task: the spare one if that is what a new one would be, otherwise a new one.
func (p *Prober) inChild(ctx context.Context, o wall.Options, task []byte) (wall.Outcome, *firstOutput, error) {
	if s := p.spares.take(o); s != nil {
		if out, err := s.Wait(ctx, o.Limit, task); out.Begun || ctx.Err() != nil {
			return out, s.output, err
		}
		p.log.Info("a spare child of the probe ended, or hung, before it got an image; a new one is started") // which says nothing of the image
	}
	c, output, err := p.start(o)
	if err != nil {
		return wall.Outcome{}, output, err
	}
	out, err := c.Wait(ctx, o.Limit, task)
	return out, output, err
}

// start starts a child, which waits for its order.
func (p *Prober) start(o wall.Options) (*wall.Child, *firstOutput, error) {
	output := new(firstOutput)
	c, err := p.wall.Start(o, func() *exec.Cmd {
		cmd := self.Command(context.Background(), "")
		cmd.Env = append(os.Environ(), probeEnv+"=1")
		cmd.Stdout, cmd.Stderr = output, output
		return cmd
	})
	return c, output, err
}

// lackedMemory matches what a process prints that dies for want of memory: it says so, or can't make a thread, or C code, the runtime's
// own included, uses the null pointer that it got instead of memory. That may also have another reason.
var lackedMemory = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("out of memory|cannot allocate memory|ThreadSanitizer failed to allocate|pthread_create failed|" +
		`(?m:^SIGSEGV: segmentation violation\nPC=\S+ m=\S+ sigcode=\S+ addr=0x[0-9a-f]{1,3}$)`)
})

// walled adds to a refusal what part the wall may have had in it.
func walled(err error, out wall.Outcome, output string) error {
	var part []string
	if len(out.Tried) > 0 {
		part = append(part, "the probe did not let it "+strings.Join(out.Tried, ", nor "))
	}
	if lackedMemory().MatchString(output) {
		for _, l := range out.Layers {
			if l.Name == wall.Limits && l.InForce {
				part = append(part, "the probe's limits are "+l.Detail)
			}
		}
	}
	if err == nil || len(part) == 0 {
		return err
	}
	return fmt.Errorf("%w\n%s; if that is the reason, let the plugin do it in New or Start, "+
		`or set probe = "unwalled" for a plugin that you trust`, err, strings.Join(part, "; "))
}

func exitStatus(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS:
		return "it killed or stopped itself" // the wall sees to that, see wall.Run
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return "it was killed"
	}
	return err.Error()
}

// firstOutput keeps the beginning of a process's output, which is where a Go program says why it dies.
type firstOutput struct{ b bytes.Buffer }

// maxOutput is how much of a child's output an error quotes, in bytes.
const maxOutput = 2 << 10

// maxStack is how much of it is kept, in bytes: where the program died stands behind the text.
const maxStack = 64 << 10

func (w *firstOutput) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), max(0, maxStack-w.b.Len()))])
	return len(p), nil
}

// String returns what the process has printed. Where the Go runtime has printed stacks, only the call that led to the crash is left of
// them: the rest are those of the host and the runtime.
func (w *firstOutput) String() string {
	text := strings.TrimSpace(w.b.String())
	if text == "" {
		return ""
	}
	if t := crash.Parse(text + "\n"); len(t.Goroutines) > 0 {
		text = strings.TrimSpace(t.Head)
		where := t.Innermost(func(pkg string) bool {
			return pkg != "" && pkg != "runtime" && !strings.HasPrefix(pkg, "internal/runtime/")
		})
		if where.Func != "" {
			text = text[:min(len(text), maxOutput)] + "\nin " + where.String()
		}
		return "; it printed:\n" + text
	}
	return "; it printed:\n" + text[:min(len(text), maxOutput)]
}
