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

	Messages []BuildMessage `json:"messages,omitempty"` // the compiler's, if that is why it failed
}

// BuildMessage is one of a compiler's messages. File is empty if it has no position.
type BuildMessage struct {
	File    string `json:"file,omitempty"` // relative to the directory in which `sohost dev` runs
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// FailedBuild is a build that has failed. The code that served before serves on.
type FailedBuild struct {
	BuildReport
	Time time.Time `json:"time"` // when the server was told
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
