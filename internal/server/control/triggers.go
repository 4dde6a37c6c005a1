package control

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sohost/sohost"
)

// TriggerRequest asks to add a trigger to a plugin.
type TriggerRequest struct {
	Plugin  string         `json:"plugin"`
	Trigger sohost.Trigger `json:"trigger"`
}

// handleTriggers adds what the server answers about triggers.
func (s *server) handleTriggers(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/triggers", func(w http.ResponseWriter, r *http.Request) { s.tell(w, s.host.Triggers(), nil) })
	mux.HandleFunc("POST /v1/triggers/add", handle(func(r *http.Request, in TriggerRequest) (any, error) {
		return s.host.AddTrigger(in.Plugin, in.Trigger)
	}))
	for verb, do := range map[string]func(context.Context, sohost.TriggerKey) (any, error){
		"remove":  func(_ context.Context, key sohost.TriggerKey) (any, error) { return s.host.RemoveTrigger(key) },
		"enable":  func(_ context.Context, key sohost.TriggerKey) (any, error) { return s.host.EnableTrigger(key) },
		"disable": func(_ context.Context, key sohost.TriggerKey) (any, error) { return s.host.DisableTrigger(key) },
		"replay":  func(ctx context.Context, key sohost.TriggerKey) (any, error) { return s.host.ReplayTrigger(ctx, key) },
	} {
		mux.HandleFunc(fmt.Sprintf("POST /v1/triggers/%s", verb), handle(func(r *http.Request, key sohost.TriggerKey) (any, error) {
			return do(r.Context(), key)
		}))
	}
}

// Triggers lists the triggers of all plugins.
func (c *Client) Triggers(ctx context.Context) (all []sohost.TriggerStatus, err error) {
	return all, c.call(ctx, "GET", "/v1/triggers", nil, &all)
}

// AddTrigger adds a trigger to a plugin.
func (c *Client) AddTrigger(ctx context.Context, in TriggerRequest) (s sohost.TriggerStatus, err error) {
	return s, c.call(ctx, "POST", "/v1/triggers/add", in, &s)
}

// RemoveTrigger removes a trigger that was added by command, and returns what it was.
func (c *Client) RemoveTrigger(ctx context.Context, key sohost.TriggerKey) (s sohost.TriggerStatus, err error) {
	return s, c.call(ctx, "POST", "/v1/triggers/remove", key, &s)
}

// EnableTrigger enables a trigger.
func (c *Client) EnableTrigger(ctx context.Context, key sohost.TriggerKey) (s sohost.TriggerStatus, err error) {
	return s, c.call(ctx, "POST", "/v1/triggers/enable", key, &s)
}

// DisableTrigger disables a trigger.
func (c *Client) DisableTrigger(ctx context.Context, key sohost.TriggerKey) (s sohost.TriggerStatus, err error) {
	return s, c.call(ctx, "POST", "/v1/triggers/disable", key, &s)
}

// ReplayTrigger delivers again what a trigger's plugin could not handle, and waits.
func (c *Client) ReplayTrigger(ctx context.Context, key sohost.TriggerKey) (r sohost.Replayed, err error) {
	return r, c.call(ctx, "POST", "/v1/triggers/replay", key, &r)
}
