package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"golang.org/x/sys/unix"
)

// ErrNoServer is returned when nobody answers on the socket.
var ErrNoServer = errors.New("no server answers")

// Client controls the server that listens on a socket. What the server refuses is returned as a *Failure, which matches
// sohost.ErrUnknownPlugin and the like through errors.Is: see Code.
type Client struct {
	// Trace goes with each order; see TraceHeader. Default: none.
	Trace string

	// Patience says how long calls wait. It must not be changed during one. Default: as its fields say.
	Patience Patience

	path  string
	http  http.Client
	pulse pulse
	pid   atomic.Int64 // of the server, as the kernel says; 0 if it doesn't
}

// NewClient returns a client of the socket at path. It connects anew for each call.
func NewClient(path string) *Client {
	c := &Client{path: path, pulse: defaultPulse()}
	c.http.Transport = &http.Transport{DialContext: c.dial, DisableKeepAlives: true}
	return c
}

// fullQueue is how long to wait before a connection is tried again for which a server had no room.
const fullQueue = 50 * time.Millisecond

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", c.path)
		if errors.Is(err, unix.EAGAIN) { // it takes no connections out of its queue
			select {
			case <-time.After(fullQueue):
				continue
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		if err == nil {
			if cred := peerOf(conn); cred != nil {
				c.pid.Store(int64(cred.Pid))
			}
		}
		return conn, err
	}
}

// Status describes the server and what it serves. To measure memory takes the server some milliseconds; see Brief.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, "GET", "/v1/status", nil, &s)
}

// StatusJSON is Status as the server has written it.
func (c *Client) StatusJSON(ctx context.Context) (s json.RawMessage, err error) {
	return s, c.call(ctx, "GET", "/v1/status", nil, &s)
}

// Brief is Status without what takes time to find out: every Memory, SupervisorMemory and Left are zero. It suits callers that
// ask again and again.
func (c *Client) Brief(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, "GET", "/v1/status?brief=true", nil, &s)
}

// Deploy makes images current, all of them or none.
func (c *Client) Deploy(ctx context.Context, in DeployRequest) (r sohost.Reload, err error) {
	return r, c.call(ctx, "POST", "/v1/deploy", in, &r)
}

// Rollback makes an earlier release current.
func (c *Client) Rollback(ctx context.Context, in RollbackRequest) (r sohost.Reload, err error) {
	return r, c.call(ctx, "POST", "/v1/rollback", in, &r)
}

// History returns the last n events, oldest first.
func (c *Client) History(ctx context.Context, n int) (events []generations.Event, err error) {
	return events, c.call(ctx, "GET", fmt.Sprintf("/v1/history?n=%d", n), nil, &events)
}

// Profile returns a profile of the worker, of one of ProfileKinds. One of the CPU takes so many seconds.
func (c *Client) Profile(ctx context.Context, kind string, seconds int) ([]byte, error) {
	path := "/v1/profile/" + kind
	if kind == CPUProfile {
		path += fmt.Sprintf("?seconds=%d", seconds)
	}
	w := c.wait(ctx, http.MethodGet)
	defer w.end()
	resp, err := c.ask(w.ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", cmp.Or(context.Cause(w.ctx), err))
	}
	return text, nil
}

// Releases returns the releases in the store.
func (c *Client) Releases(ctx context.Context) (releases []generations.Release, err error) {
	return releases, c.call(ctx, "GET", "/v1/releases", nil, &releases)
}

// Prune removes old releases.
func (c *Client) Prune(ctx context.Context, in PruneRequest) (r generations.PruneReport, err error) {
	return r, c.call(ctx, "POST", "/v1/prune", in, &r)
}

// Handover moves the plugins to a new worker.
func (c *Client) Handover(ctx context.Context, in HandoverRequest) (h sohost.Handover, err error) {
	return h, c.call(ctx, "POST", "/v1/handover", in, &h)
}

// Reload has the server read its configuration again.
func (c *Client) Reload(ctx context.Context, in ReloadRequest) (r ConfigReload, err error) {
	return r, c.call(ctx, "POST", "/v1/reload", in, &r)
}

// Quarantines returns the images in quarantine.
func (c *Client) Quarantines(ctx context.Context) (qs []generations.Quarantine, err error) {
	return qs, c.call(ctx, "GET", "/v1/quarantine", nil, &qs)
}

// LiftQuarantine lets an image be tried again.
func (c *Client) LiftQuarantine(ctx context.Context, in LiftRequest) (q generations.Quarantine, err error) {
	return q, c.call(ctx, "POST", "/v1/quarantine/lift", in, &q)
}

// call asks, and waits for the answer as Patience says.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	w := c.wait(ctx, method)
	defer w.end()
	return c.exchange(w.ctx, method, path, in, out)
}

// exchange asks, and decodes the answer.
func (c *Client) exchange(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.ask(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the server's answer: %w", cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

// ask returns an answer that is a success. Its body must be closed.
func (c *Client) ask(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://sohost"+path, body)
	if err != nil {
		return nil, err
	}
	if c.Trace != "" {
		req.Header.Set(TraceHeader, c.Trace)
	}
	resp, err := c.http.Do(req)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrSilent) {
		return nil, cause
	}
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
			return nil, fmt.Errorf("%w on %s (%v); start one with `sohost run`, or name its socket with --control",
				ErrNoServer, c.path, op.Err)
		}
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	f := new(Failure)
	if err := json.NewDecoder(resp.Body).Decode(f); err != nil {
		return nil, fmt.Errorf("the server answers %s: %w", resp.Status, err)
	}
	return nil, f
}
