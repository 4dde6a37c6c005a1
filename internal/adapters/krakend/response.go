package krakend

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/sohost/sohost/internal/adapter"
)

// responseWrapper is what a modifier of responses gets and may return: lura's type of the same name.
type responseWrapper interface {
	Data() map[string]any
	Io() io.Reader
	IsComplete() bool
	Headers() map[string][]string
	StatusCode() int
}

// response is a response as modifiers see it.
type response struct {
	request *request
	data    map[string]any
	body    io.Reader
	header  http.Header
	status  int
}

func (p *response) Context() context.Context     { return p.request.Context() }
func (p *response) Request() any                 { return p.request }
func (p *response) Data() map[string]any         { return p.data }
func (p *response) Io() io.Reader                { return p.body }
func (p *response) IsComplete() bool             { return true }
func (p *response) Headers() map[string][]string { return p.header }
func (p *response) StatusCode() int              { return p.status }

// modifyResponse lets the modifiers change a recorded response, one after another.
func modifyResponse(modifiers []modifier, rec *adapter.Recorder, r *request) error {
	given := &response{request: r, data: decode(rec.Body), body: bytes.NewReader(rec.Body), header: rec.Header(), status: cmp.Or(rec.Status, http.StatusOK)}
	before, err := json.Marshal(given.data)
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	var last responseWrapper = given
	for _, f := range modifiers {
		result, err := f(last)
		if err != nil {
			return err
		}
		if w, ok := result.(responseWrapper); ok {
			last = w
		}
	}
	after, err := json.Marshal(last.Data())
	if err != nil {
		return fmt.Errorf("encode the data of a modified response: %w", err)
	}
	switch body := last.Io(); {
	case body != given.body && body != nil:
		if rec.Body, err = io.ReadAll(body); err != nil {
			return fmt.Errorf("read a modified response: %w", err)
		}
	case !bytes.Equal(before, after):
		rec.Body = after
	}
	rec.Status = last.StatusCode()
	rec.SetHeader(last.Headers())
	return nil
}

// decode returns a body that is a JSON object, with its numbers as they are written, as lura has them. It returns an empty map for any
// other body.
func decode(body []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var data map[string]any
	if d.Decode(&data) != nil || data == nil {
		return map[string]any{}
	}
	return data
}
