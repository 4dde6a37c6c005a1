package sohost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/self"
)

// probeEnv names the images that a process was started to probe, as a JSON list.
const probeEnv = "SOHOST_PROBE"

// verdictFile is where the child of a probe writes what it found.
const verdictFile = 3

// In the child of a probe, this is all that is left of the program: main never runs, nor the init functions of packages that
// import this one.
func init() {
	if images := os.Getenv(probeEnv); images != "" {
		os.Exit(probeChild(images))
	}
}

// verdict is the child's word; none means that the image has ended it.
type verdict struct {
	Refused string `json:"refused,omitempty"`
}

func probeChild(list string) int {
	os.Unsetenv(probeEnv) // an image may start programs
	syscall.CloseOnExec(verdictFile)
	var v verdict
	var images []string
	if err := json.Unmarshal([]byte(list), &images); err != nil {
		return 1
	}
	for _, image := range images {
		if err := openImage(context.Background(), image, new(live)); err != nil {
			v.Refused = err.Error()
			break
		}
	}
	if json.NewEncoder(os.NewFile(verdictFile, "verdict")).Encode(v) != nil {
		return 1
	}
	return 0
}

// probe opens images, one after the other, in a throwaway child of the same program. What ends a process can't be caught (os.Exit or a fatal error
// in an init function, a crash in C code), and what fails in one leaves its mark there for good; so both happen to a child
// first. The images' init functions run there once more than they would otherwise; New does not.
func (h *Host) probe(ctx context.Context, images ...string) error {
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
	var words lastWords
	cmd := self.Command(ctx, "")
	cmd.Env = append(os.Environ(), probeEnv+"="+string(list))
	cmd.ExtraFiles = []*os.File{writer}
	cmd.Stdout, cmd.Stderr = &words, &words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for what the image has started and left behind with our pipes
	err = cmd.Start()
	writer.Close()
	if errors.Is(err, syscall.ENOEXEC) { // an emulated program can't start itself
		h.log.Warn("images are opened without a probe: this program can't be started again", "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("probe: start a child: %w", err)
	}
	waited := cmd.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("opening it in a child process has not returned: %w", context.Cause(ctx))
	}
	var v verdict
	if json.NewDecoder(reader).Decode(&v) != nil {
		return fmt.Errorf("opening it ended the child process that tried: %s%s", ending(waited), words.String())
	}
	if v.Refused != "" {
		return errors.New(v.Refused)
	}
	return nil
}

func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// lastWords keeps the beginning of what a process prints: a Go program tells there why it ends.
type lastWords struct{ b bytes.Buffer }

func (w *lastWords) Write(p []byte) (int, error) {
	const most = 2 << 10
	w.b.Write(p[:min(len(p), max(0, most-w.b.Len()))])
	return len(p), nil
}

func (w *lastWords) String() string {
	text := strings.TrimSpace(w.b.String())
	if text == "" {
		return ""
	}
	return "; it said:\n" + text
}
