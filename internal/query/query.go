// Package query asks InfluxDB databases, and returns their answers as typed tables. An answer is read whole, within a limit, before any of
// it is returned. Nothing is asked twice: whoever wants a retry knows whether the question still matters.
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
	"os"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
)

// Options describes one database. It needs URL and Version.
type Options struct {
	URL      string `json:"url"`
	Version  int    `json:"version"`            // of InfluxDB: 1, 2 or 3
	Database string `json:"database,omitempty"` // the database or bucket of a question that names none
	Org      string `json:"org,omitempty"`      // the organisation, for version 2
	Token    string `json:"token,omitempty"`    // default: none is sent

	// TokenFile is a file that has the token instead. It is read for each question, so a new token needs no restart.
	TokenFile string `json:"token_file,omitempty"`

	Timeout time.Duration `json:"timeout,omitempty"` // for one question; default: 30 s
	Limit   int           `json:"limit,omitempty"`   // of an answer, in bytes; default: 64 MiB
}

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
	if o.Version < 1 || o.Version > 3 {
		bad("version", fmt.Sprintf("%d: want 1, 2 or 3, as InfluxDB has it", o.Version))
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

// languages are those of each version, the first element of version 1.
var languages = [][]string{{"influxql", "flux"}, {"flux", "influxql"}, {"sql", "influxql"}}

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
	q.Language, q.Database = cmp.Or(q.Language, "sql"), cmp.Or(q.Database, c.o.Database)
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
		text, err := os.ReadFile(c.o.TokenFile)
		if err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	scheme := "Token "
	if c.o.Version == 3 {
		scheme = "Bearer "
	}
	if token != "" {
		r.Header.Set("Authorization", scheme+token)
	}
	return nil
}

// request returns the request for a question, and what reads its answer.
func (c *Client) request(q abi.Query) (r *http.Request, read func([]byte) ([]abi.Table, error), err error) {
	const asJSON = "application/json"
	var target, kind string
	var body []byte
	switch {
	case c.o.Version == 3 && (q.Language == "sql" || q.Language == "influxql"):
		target, kind, read = "/api/v3/query_"+q.Language, asJSON, readLines
		body, err = json.Marshal(struct {
			DB     string         `json:"db"`
			Q      string         `json:"q"`
			Format string         `json:"format"`
			Params map[string]any `json:"params,omitempty"`
		}{q.Database, q.Text, "jsonl", q.Params})
	case c.o.Version != 3 && q.Language == "influxql":
		form := url.Values{"db": {q.Database}, "q": {q.Text}, "epoch": {"ns"}}
		if len(q.Params) > 0 {
			var params []byte
			params, err = json.Marshal(q.Params)
			form.Set("params", string(params))
		}
		target, kind, read, body = "/query", "application/x-www-form-urlencoded", readSeries, []byte(form.Encode())
	case c.o.Version != 3 && q.Language == "flux":
		if len(q.Params) > 0 {
			return nil, nil, errors.New("a query in Flux has no parameters: write the values into its text")
		}
		target, kind, read = "/api/v2/query?org="+url.QueryEscape(c.o.Org), asJSON, readAnnotated
		body, err = json.Marshal(map[string]any{"query": q.Text, "type": "flux",
			"dialect": map[string]any{"header": true, "annotations": []string{"datatype", "group", "default"}}})
	default:
		return nil, nil, fmt.Errorf("InfluxDB %d takes no %q: set Language to %s", c.o.Version, q.Language, strings.Join(languages[c.o.Version-1], " or "))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("parameters: %w", err)
	}
	if r, err = http.NewRequest(http.MethodPost, c.o.URL+target, bytes.NewReader(body)); err == nil {
		r.Header.Set("Content-Type", kind)
	}
	return r, read, err
}

// answerError returns the error of an answer that has no rows.
func answerError(status int, body []byte) error {
	var said struct{ Error, Message string }
	text := string(bytes.TrimSpace(body[:min(len(body), 1000)]))
	if json.Unmarshal(body, &said) == nil {
		text = cmp.Or(said.Message, said.Error, text)
	}
	remedy := "ask again later"
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		remedy = "correct the query"
	case http.StatusUnauthorized, http.StatusForbidden:
		remedy = "set a token that may read the database"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		remedy = "correct url, version or the name of the database"
	}
	return fmt.Errorf("it answers %d: %s; %s", status, cmp.Or(text, http.StatusText(status)), remedy)
}
