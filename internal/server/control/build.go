package control

import (
	"context"
	"time"

	"github.com/sohost/sohost/generations"
)

// BuildReport says how a build of a plugin went, for those who read events.
type BuildReport struct {
	Plugin string        `json:"plugin"`
	Image  string        `json:"image,omitempty"` // its ID; absent if the build failed
	Error  string        `json:"error,omitempty"` // why it failed, as the developer sees it
	Took   time.Duration `json:"took_ns"`
}

func (r BuildReport) event() generations.Event {
	e := generations.Event{
		Kind: generations.KindBuild, Plugin: r.Plugin, Detail: r.Error, Phases: map[string]time.Duration{"build": r.Took},
	}
	if r.Error != "" {
		e.Kind = generations.KindBuildFailed
	}
	e.To, _ = generations.ParseID(r.Image) // zero if there is none
	return e
}

// Built tells the server of a build.
func (c *Client) Built(ctx context.Context, r BuildReport) error {
	return c.call(ctx, "POST", "/v1/build", r, &struct{}{})
}
