package sinks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/spool"
)

// InfluxOptions configure a sink that writes to InfluxDB, or to what takes the same requests.
type InfluxOptions struct {
	URL      string // of the server, such as http://localhost:8181
	Version  int    // of the write endpoint: 1, 2 or 3
	Database string // or bucket
	Org      string // for version 2
	Token    string

	Spool      string // directory in which rows wait
	SpoolLimit int64  // bytes

	// Batch is how many bytes of line protocol are sent at once, unpacked, and Flush how long rows wait for more.
	// Default: 1 MiB, 1 s.
	Batch int
	Flush time.Duration

	// Timeout bounds one request. Default: 30 s.
	Timeout time.Duration

	Logger *slog.Logger
}

func (o *InfluxOptions) setDefaults() {
	o.Batch = cmp.Or(o.Batch, 1<<20)
	o.Flush = cmp.Or(o.Flush, time.Second)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.SpoolLimit = cmp.Or(o.SpoolLimit, 1<<30)
}

// influx is a sink in front of an InfluxDB. Rows go to the spool first. One goroutine sends them.
type influx struct {
	account
	opts   InfluxOptions
	target *url.URL
	client *http.Client
	spool  *spool.Log
	stop   context.CancelFunc // no more requests begin
	posts  context.Context    // of the one that runs
	cut    context.CancelFunc // ends it
	ended  chan struct{}
}

// NewInflux returns a sink that writes to an InfluxDB, and begins to send what its spool holds. An InfluxDB that is down is no error.
func NewInflux(o InfluxOptions) (Sink, error) {
	o.setDefaults()
	target, err := target(o)
	if err != nil {
		return nil, err
	}
	s := &influx{opts: o, target: target, client: &http.Client{Timeout: o.Timeout}, ended: make(chan struct{})}
	s.account = account{log: o.Logger, status: Status{Kind: "influx", Target: target.Redacted()}}
	if s.spool, err = spool.Open(spool.Options{Dir: o.Spool, Limit: o.SpoolLimit}); err != nil {
		return nil, fmt.Errorf("sink %s: %w", s.status.Target, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.posts, s.cut = context.WithCancel(context.Background())
	go s.send(ctx)
	return s, nil
}

// target returns where the writes go.
func target(o InfluxOptions) (*url.URL, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a server: want http://HOST:PORT or https://HOST:PORT", o.URL)
	}
	if o.Database == "" {
		return nil, errors.New("the sink has no database")
	}
	q := url.Values{}
	switch o.Version {
	case 1:
		u = u.JoinPath("write")
		q.Set("db", o.Database)
		q.Set("precision", "ns")
	case 2:
		u = u.JoinPath("api", "v2", "write")
		q.Set("bucket", o.Database)
		q.Set("org", o.Org)
		q.Set("precision", "ns")
	case 3:
		u = u.JoinPath("api", "v3", "write_lp")
		q.Set("db", o.Database)
		q.Set("precision", "nanosecond")
	default:
		return nil, fmt.Errorf("version %d of the write endpoint: want 1, 2 or 3", o.Version)
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// Write implements Sink: when it returns nil, the rows are on disk. Rows without a time get that of the call.
func (s *influx) Write(ctx context.Context, tables []abi.Table) error {
	var record record
	lacking := record.add(tables)
	s.update(func(st *Status) { st.Lacking += uint64(lacking) })
	if record.lines == 0 {
		return nil
	}
	_, onDisk, err := s.spool.Append(record.encode())
	if err == nil {
		select {
		case err = <-onDisk:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if errors.Is(err, spool.ErrFull) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err == nil {
		s.update(func(st *Status) { st.Accepted += uint64(record.lines) })
	}
	return err
}

// Status implements Sink.
func (s *influx) Status() Status {
	st := s.account.Status()
	st.Spooled = s.spool.Size()
	return st
}

// Close implements Sink.
func (s *influx) Close(ctx context.Context) error {
	s.stop()
	cancel := context.AfterFunc(ctx, s.cut)
	defer cancel()
	<-s.ended
	s.cut()
	return s.spool.Close()
}

// cursorName is the file in the spool's directory with the number of the first record that isn't stored.
const cursorName = "cursor.json"

func (s *influx) readCursor() (cursor uint64) {
	b, err := os.ReadFile(filepath.Join(s.opts.Spool, cursorName))
	if err == nil {
		err = json.Unmarshal(b, &cursor)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("rows of the sink may be stored twice", "target", s.target.Redacted(), "err", err)
	}
	return cursor
}

func (s *influx) writeCursor(cursor uint64) {
	err := renameio.WriteFile(filepath.Join(s.opts.Spool, cursorName), fmt.Append(nil, cursor), 0o600)
	if err == nil {
		err = s.spool.Release(cursor)
	}
	if err != nil {
		s.log.Warn("what the sink has stored stays on disk", "target", s.target.Redacted(), "err", err)
	}
}
