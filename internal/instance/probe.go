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
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/self"
	"golang.org/x/sys/unix"
)

// probeEnv is the environment variable that makes a process the child of a probe. Its value lists the images to open,
// as JSON.
const probeEnv = "SOHOST_PROBE"

// resultFile is the file descriptor to which the child of a probe writes its result.
const resultFile = 3

// In the child of a probe, this init function is all of the program that runs: neither main nor the init functions of
// packages that import this one do.
func init() {
	if images := os.Getenv(probeEnv); images != "" {
		os.Exit(probeChild(images))
	}
}

// probeResult is what the child reports. If it reports nothing, the image has ended it.
type probeResult struct {
	Refused string `json:"refused,omitempty"`
}

// maxRefused is the size, in bytes, at which a child cuts off the refusal that it reports. However JSON escapes it, it fits into an
// empty pipe, so writing it never waits for the reader, which reads when the child has ended.
const maxRefused = 8 << 10

func probeChild(list string) int {
	os.Unsetenv(probeEnv) // programs that an image starts must not be probes
	syscall.CloseOnExec(resultFile)
	var r probeResult
	var images []string
	if err := json.Unmarshal([]byte(list), &images); err != nil {
		return 1
	}
	for _, image := range images {
		if _, err := Open(context.Background(), image); err != nil {
			r.Refused = err.Error()
			if len(r.Refused) > maxRefused {
				r.Refused = strings.ToValidUTF8(r.Refused[:maxRefused], "") + "…"
			}
			break
		}
	}
	if json.NewEncoder(os.NewFile(resultFile, "result")).Encode(r) != nil {
		return 1
	}
	return 0
}

// Probe opens images one after the other in a child process of the same program, which it then throws away. Some things
// that an image does can't be caught (os.Exit or a fatal error in an init function, a crash in C code), and some
// failures leave a permanent mark in the process. A probe lets them happen to the child. The images' init functions run
// there once more than they otherwise would. New doesn't run, because it may take ports and files that this process
// has.
//
// Probe blocks until the child has ended, and kills it when ctx ends. When Probe returns, the child and everything in
// its process group are gone. The error says what the child reported, or how the image ended it. If this program can't
// start itself, Probe logs that and returns nil.
func Probe(ctx context.Context, log *slog.Logger, images ...string) error {
	list, err := json.Marshal(images)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	// Pdeathsig is tied to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer reader.Close()
	var output firstOutput
	cmd := self.Command(ctx, "")
	cmd.Env = append(os.Environ(), probeEnv+"="+string(list))
	cmd.ExtraFiles = []*os.File{writer}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // in case the image has started something that holds our pipes open
	err = cmd.Start()
	writer.Close()
	if errors.Is(err, syscall.ENOEXEC) { // a program that runs under an emulator can't start itself
		log.Warn("images are opened without a probe: this program can't start itself", "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("probe: start a child: %w", err)
	}
	waited := awaitGroup(cmd)
	if ctx.Err() != nil {
		return fmt.Errorf("opening it in a child process has not returned: %w", context.Cause(ctx))
	}
	result, reported := readResult(reader)
	if !reported {
		return fmt.Errorf("opening it ended the child process that tried: %s%s", exitStatus(waited), output.String())
	}
	if result.Refused != "" {
		return errors.New(result.Refused)
	}
	return nil
}

// awaitGroup waits for the child, and then kills what is left of its process group.
func awaitGroup(cmd *exec.Cmd) error {
	for { // WNOWAIT: the child stays a zombie, so that its group's ID isn't reused before the kill
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return cmd.Wait()
}

// readResult returns what the child has reported, if it has. The child has ended, so what it wrote is in the pipe. readResult doesn't
// wait for more: a process outside the child's group may hold the pipe open.
func readResult(reader *os.File) (r probeResult, reported bool) {
	raw, err := reader.SyscallConn()
	if err != nil {
		return r, false
	}
	text := make([]byte, 64<<10) // all that a pipe holds
	n := 0
	raw.Read(func(fd uintptr) bool {
		n, _ = unix.Read(int(fd), text)
		return true
	})
	return r, n > 0 && json.Unmarshal(text[:n], &r) == nil
}

func exitStatus(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// firstOutput keeps the beginning of a process's output, which is where a Go program says why it dies.
type firstOutput struct{ b bytes.Buffer }

// maxOutput is how much of a child's output an error quotes, in bytes.
const maxOutput = 2 << 10

func (w *firstOutput) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), max(0, maxOutput-w.b.Len()))])
	return len(p), nil
}

func (w *firstOutput) String() string {
	text := strings.TrimSpace(w.b.String())
	if text == "" {
		return ""
	}
	return "; it printed:\n" + text
}
