package control

import (
	"slices"
	"strings"

	"github.com/sohost/sohost"
)

// Verb is what is done to a plugin by command.
type Verb string

// The verbs of an Amendment.
const (
	Add     Verb = "add"
	Remove  Verb = "remove"
	Enable  Verb = "enable"
	Disable Verb = "disable"
	Move    Verb = "move" // between modes
)

// Valid reports whether there is such a verb.
func (v Verb) Valid() bool { return slices.Contains([]Verb{Add, Remove, Enable, Disable, Move}, v) }

// Amendment is a change of one plugin's configuration by command. It is kept in the store, and lies over the configuration.
type Amendment struct {
	Verb     Verb        `json:"verb"`
	Plugin   string      `json:"plugin"`
	Image    string      `json:"image,omitempty"`    // of Add: an absolute path
	Settings []string    `json:"settings,omitempty"` // of Add: OPTION=VALUE, as after the file in `sohost run --plugin`
	Mode     sohost.Mode `json:"mode,omitempty"`     // of Move
}

// Amended is what commands have made of a plugin.
type Amended struct {
	Plugin   string      `json:"plugin"`
	Added    bool        `json:"added,omitempty"`    // the configuration doesn't have it
	Mode     sohost.Mode `json:"mode,omitempty"`     // empty: that of the configuration
	Disabled *bool       `json:"disabled,omitempty"` // nil: as the configuration says
	Unused   string      `json:"unused,omitempty"`   // why that is of no use now; empty if it is of use
}

// String returns it in words.
func (a Amended) String() string {
	text := a.Plugin
	if a.Added {
		text += " added,"
	}
	if a.Mode != "" {
		text += " in " + string(a.Mode) + " mode,"
	}
	switch {
	case a.Disabled == nil:
	case *a.Disabled:
		text += " disabled,"
	default:
		text += " enabled,"
	}
	text = strings.TrimSuffix(text, ",")
	if a.Unused != "" {
		text += " (of no use now: " + a.Unused + ")"
	}
	return text
}
