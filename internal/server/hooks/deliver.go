package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/events"
)

// shownOutput is how much of what a command or server says goes into an error, in bytes.
const shownOutput = 1 << 10

// errFinal marks an error that another attempt would not mend.
var errFinal = errors.New("it isn't tried again")

// deliver makes one attempt. Start and forget are those of Options.
func (h *Hook) deliver(ctx context.Context, e events.Entry, o *Options) error {
	limit := h.Timeout
	if limit == 0 {
		limit = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes longer than %v (timeout allows more)", limit))
	defer cancel()
	if h.URL != "" {
		return h.post(ctx, e)
	}
	return h.run(ctx, e, o)
}

// run runs the command. When its time is over, it and all that it has started are killed.
func (h *Hook) run(ctx context.Context, e events.Entry, o *Options) error {
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	cmd.Stdin = bytes.NewReader(append(bytes.Clone(e.JSON), '\n'))
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = append(os.Environ(), "SOHOST_EVENT="+string(e.Kind), "SOHOST_PLUGIN="+e.Plugin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for what it has started and left behind
	if err := o.Start(cmd); err != nil {
		return err
	}
	err := cmd.Wait()
	o.Ended(cmd.Process.Pid)
	switch {
	case cmd.ProcessState != nil && cmd.ProcessState.Success():
		return nil // even if something that it has left behind still has its output open
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w%s", err, said)
}

// client follows no redirect: most of them make a GET of a POST, and nobody would be told.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// post sends the event to the URL. Some answers mean that another attempt is in vain. No error has the URL: it may be a secret.
func (h *Hook) post(ctx context.Context, e events.Entry) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(e.JSON))
	if err != nil {
		return fmt.Errorf("%w; %w", withoutURL(err), errFinal)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sohost")
	resp, err := client.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return withoutURL(err)
	}
	defer resp.Body.Close()
	said := &tail{}
	io.Copy(said, io.LimitReader(resp.Body, shownOutput)) // only for people to read
	code := resp.StatusCode
	answers := fmt.Sprintf("it answers %d %s", code, http.StatusText(code))
	switch {
	case code < 300:
		return nil
	case code < 400:
		return fmt.Errorf("%s, and redirects are not followed: set url to where it leads; %w", answers, errFinal)
	case code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return fmt.Errorf("%s%s; %w", answers, said, errFinal)
	}
	return fmt.Errorf("%s%s", answers, said)
}

// withoutURL returns what is wrong without the URL with which it is.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if more := len(t.kept) - shownOutput; more > 0 {
		t.kept = append(t.kept[:0], t.kept[more:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	if said := strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "\uFFFD")); said != "" {
		return ": " + said
	}
	return ""
}
