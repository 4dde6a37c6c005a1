package instance

import (
	"encoding/json"

	"github.com/sohost/sohost/abi"
)

// Description is what an image's Descriptor says of its plugin, as far as people configure it by that.
type Description struct {
	Version   string `json:"version,omitempty"`
	Exclusive bool   `json:"exclusive,omitempty"`

	// Described says whether the Descriptor describes the arguments. If it doesn't, any are taken.
	Described bool       `json:"described"`
	Args      []Argument `json:"args,omitempty"`
}

// Argument is an abi.Arg.
type Argument struct {
	Name     string      `json:"name"`
	Type     abi.ArgType `json:"type"`
	Required bool        `json:"required,omitempty"`
	Default  string      `json:"default,omitempty"`
	Choices  []string    `json:"choices,omitempty"`
	Help     string      `json:"help,omitempty"`
}

// maxDescription is the size, in bytes of JSON, beyond which a description goes without what its arguments are for.
const maxDescription = 32 << 10

// describe returns what the Descriptor says.
func (im *Image) describe() *Description {
	d := &Description{Version: im.Version(), Exclusive: im.Exclusive(), Described: im.Args() != nil}
	for _, a := range im.Args() {
		of := Argument{a.Name, a.Type, a.Required, a.Default, a.Choices, a.Help}
		if of.Type == "" {
			of.Type = abi.ArgString
		}
		d.Args = append(d.Args, of)
	}
	if text, err := json.Marshal(d); err != nil || len(text) > maxDescription {
		for i := range d.Args {
			d.Args[i].Help = ""
		}
	}
	return d
}
