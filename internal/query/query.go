// Package query asks databases, InfluxDB and those with Prometheus' HTTP interface, and returns their answers as typed tables. An answer is
// read whole, within a limit, before any of it is returned. Nothing is asked twice: whoever wants a retry knows whether the question still
// matters.
package query

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/regular"
)

// Options describes one database. It needs URL and, for InfluxDB, Version.
type Options struct {
	Kind     string `json:"kind,omitempty"` // Influx or Prometheus; default: Influx
	URL      string `json:"url"`
	Version  int    `json:"version"`            // of InfluxDB: 1, 2 or 3
	Database string `json:"database,omitempty"` // the database or bucket of InfluxDB that a question means which names none
	Org      string `json:"org,omitempty"`      // the organisation, for version 2
	Token    string `json:"token,omitempty"`    // default: none is sent

	// TokenFile is a file that has the token instead. It is read for each question, so a new token needs no restart.
	TokenFile string `json:"token_file,omitempty"`

	Timeout time.Duration `json:"timeout,omitempty"` // for one question; default: 30 s
	Limit   int           `json:"limit,omitempty"`   // of an answer, in bytes; default: 64 MiB
}

// The kinds of databases.
const (
	Influx     = "influx"
	Prometheus = "prometheus" // or what has its HTTP interface, such as VictoriaMetrics
)

// The defaults.
const (
	DefaultTimeout = 30 * time.Second
	DefaultLimit   = 64 << 20
)

// Check calls bad for each fault, with the setting that it is in.
func (o Options) Check(bad func(key, text string)) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		shown := ""
		if !strings.ContainsAny(o.URL, "@?") { // else it may have a password
			shown = fmt.Sprintf("%q: ", o.URL)
		}
		bad("url", shown+"want one such as http://localhost:8181")
	}
	switch o.Kind {
	case "", Influx:
		if o.Version < 1 || o.Version > 3 {
			bad("version", fmt.Sprintf("%d: want 1, 2 or 3, as InfluxDB has it", o.Version))
		}
	case Prometheus:
		for _, of := range []struct {
			key   string
			given bool
		}{{"version", o.Version != 0}, {"database", o.Database != ""}, {"org", o.Org != ""}} {
			if of.given {
				bad(of.key, "only a database of kind influx has it: leave it out")
			}
		}
	default:
		bad("kind", fmt.Sprintf("%q: want influx or prometheus", o.Kind))
	}
	if o.Token != "" && o.TokenFile != "" {
		bad("token_file", "there is a token already: leave one of them out")
	}
	if o.Timeout < 0 {
		bad("timeout", "it is negative: leave it out for the default")
	}
	if o.Limit < 0 {
		bad("limit", "it is negative: leave it out for the default")
	}
}

// ErrLarge is returned when an answer is larger than the limit. Nothing of it is returned then.
var ErrLarge = errors.New("the answer is too large")

// Client asks one database. Its methods may be called from any goroutine.
type Client struct {
	o     Options
	shown string // the URL without a password
	http  *http.Client
}

// New returns a client for a database whose options have no fault.
func New(o Options) *Client {
	o.Timeout, o.Limit = cmp.Or(o.Timeout, DefaultTimeout), cmp.Or(o.Limit, DefaultLimit)
	o.URL = strings.TrimRight(o.URL, "/")
	shown := o.URL
	if u, err := url.Parse(o.URL); err == nil {
		shown = u.Redacted()
	}
	return &Client{o, shown, &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}}
}

// Close closes the connections that no question uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Query asks the database, and returns the tables of the answer as abi.Storer.Query promises it. It blocks until the answer is there, ctx
// ends or Options.Timeout is over.
func (c *Client) Query(ctx context.Context, q abi.Query) ([]abi.Table, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout,
		fmt.Errorf("%w: no answer within %v; ask for less, or allow more with timeout", context.DeadlineExceeded, c.o.Timeout))
	defer cancel()
	tables, err := c.ask(ctx, q)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", c.shown, err)
	}
	return tables, nil
}

func (c *Client) ask(ctx context.Context, q abi.Query) ([]abi.Table, error) {
	q.Database = cmp.Or(q.Database, c.o.Database)
	request, read, err := c.request(q)
	if err != nil {
		return nil, err
	}
	request = request.WithContext(ctx)
	if err := c.authorize(request); err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w; nothing was changed, so ask again when the database can be reached", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(c.o.Limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer broke off: %w", err)
	case answer.StatusCode/100 != 2:
		return nil, answerError(answer.StatusCode, body)
	case len(body) > c.o.Limit:
		return nil, fmt.Errorf("%w: more than %d bytes; ask for less, or allow more with limit", ErrLarge, c.o.Limit)
	}
	return read(body)
}

// authorize adds the token to a request.
func (c *Client) authorize(r *http.Request) error {
	token := c.o.Token
	if c.o.TokenFile != "" {
		text, err := regular.Read(c.o.TokenFile)
		if err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	scheme := "Token "
	if c.o.Version == 3 || c.o.Kind == Prometheus {
		scheme = "Bearer "
	}
	if token != "" {
		r.Header.Set("Authorization", scheme+token)
	}
	return nil
}

// reader reads an answer.
type reader func(body []byte) ([]abi.Table, error)

// The types of a request's body.
const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// request returns the request for a question, and what reads its answer.
func (c *Client) request(q abi.Query) (*http.Request, reader, error) {
	of := c.influxRequest
	if c.o.Kind == Prometheus {
		of = c.prometheusRequest
	}
	target, kind, body, read, err := of(q)
	if err != nil {
		return nil, nil, err
	}
	r, err := http.NewRequest(http.MethodPost, c.o.URL+target, bytes.NewReader(body))
	if err == nil {
		r.Header.Set("Content-Type", kind)
	}
	return r, read, err
}

const askLater = "ask again later"

// answerError returns the error of an answer that has no rows.
func answerError(status int, body []byte) error {
	var said struct{ Error, Message string }
	text := string(bytes.TrimSpace(body[:min(len(body), 1000)]))
	if json.Unmarshal(body, &said) == nil {
		text = cmp.Or(said.Message, said.Error, text)
	}
	remedy := askLater
	switch status {
	case http.StatusInternalServerError: // InfluxDB 1 answers so to Flux that it can't read, and others when they are at fault
		remedy = "correct the query, or " + askLater
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		remedy = "correct the query"
	case http.StatusUnauthorized, http.StatusForbidden:
		remedy = "set a token that may read the database"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		remedy = "correct url, version or the name of the database"
	}
	return fmt.Errorf("it answers %d: %s; %s", status, cmp.Or(text, http.StatusText(status)), remedy)
}
