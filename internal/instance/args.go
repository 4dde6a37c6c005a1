package instance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/suggest"
)

// ErrArgs is returned when a plugin is configured with other arguments than its Descriptor describes.
var ErrArgs = errors.New("wrong arguments")

// ErrDescription is returned for a plugin whose Descriptor describes arguments that there can't be.
var ErrDescription = errors.New("wrong description of arguments")

// checkDescription lists what is wrong with a description: what an author has mistyped there would not be checked.
func checkDescription(described []abi.Arg) error {
	var wrong []string
	names := map[string]bool{}
	for i, a := range described {
		switch {
		case a.Name == "":
			wrong = append(wrong, fmt.Sprintf("argument %d has no name", i+1))
		case strings.ContainsFunc(a.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
			wrong = append(wrong, fmt.Sprintf("%q can't be a name", a.Name))
		case names[a.Name]:
			wrong = append(wrong, a.Name+" is described twice")
		}
		names[a.Name] = true
		if a.Type != "" && !slices.Contains(argTypes, a.Type) {
			wrong = append(wrong, fmt.Sprintf("%s has the type %q: want string, int, float, bool or duration", a.Name, a.Type))
		}
		for _, choice := range a.Choices {
			if fault := faultOf(abi.Arg{Type: a.Type}, choice); fault != "" {
				wrong = append(wrong, fmt.Sprintf("%s has the choice %q: %s", a.Name, choice, fault))
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; correct Args in the plugin's Descriptor and build it again", ErrDescription, strings.Join(wrong, "; "))
}

var argTypes = []abi.ArgType{abi.ArgString, abi.ArgInt, abi.ArgFloat, abi.ArgBool, abi.ArgDuration}

// Args returns what the Descriptor says of the plugin's arguments; nil if it says nothing.
func (im *Image) Args() []abi.Arg { return im.descriptor.Args }

// CheckArgs compares arguments with their description. Its error matches ErrArgs and lists everything that is wrong. Without a description
// anything is right.
func CheckArgs(described []abi.Arg, given map[string]string) error {
	var wrong []string
	for _, f := range argFaults(described, given) {
		wrong = append(wrong, f.Text)
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; correct args in the configuration", ErrArgs, strings.Join(wrong, "; "))
}

// ArgFault is what is wrong with an argument, or with there being none of that name.
type ArgFault struct{ Name, Text string }

// Faults compares arguments with their description, as CheckArgs does.
func (d *Description) Faults(given map[string]string) []ArgFault {
	if !d.Described {
		return nil
	}
	described := make([]abi.Arg, 0, len(d.Args))
	for _, a := range d.Args {
		described = append(described, abi.Arg{Name: a.Name, Help: a.Help, Type: a.Type, Default: a.Default, Required: a.Required, Choices: a.Choices})
	}
	return argFaults(described, given)
}

func argFaults(described []abi.Arg, given map[string]string) (wrong []ArgFault) {
	if described == nil {
		return nil
	}
	var known []string
	for _, a := range described {
		known = append(known, a.Name)
		text, has := given[a.Name]
		if !has && a.Required {
			wrong = append(wrong, ArgFault{a.Name, fmt.Sprintf("%s is required%s", a.Name, inBrackets(a.Help))})
		}
		if has {
			if fault := faultOf(a, text); fault != "" {
				wrong = append(wrong, ArgFault{a.Name, fmt.Sprintf("%s is %q: %s%s", a.Name, text, fault, inBrackets(a.Help))})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			wrong = append(wrong, ArgFault{name, fmt.Sprintf("%s is no argument of the plugin: %sit has %s", name, meant(name, known), listed(known))})
		}
	}
	return wrong
}

// faultOf returns what is wrong with the text of an argument, or "".
func faultOf(a abi.Arg, text string) string {
	if len(a.Choices) > 0 && !slices.Contains(a.Choices, text) {
		return "want " + listed(a.Choices)
	}
	var err error
	want := ""
	switch a.Type {
	case abi.ArgInt:
		want = "a whole number"
		_, err = strconv.ParseInt(text, 0, 64)
	case abi.ArgFloat:
		want = "a number"
		_, err = strconv.ParseFloat(text, 64)
	case abi.ArgBool:
		want = "true or false"
		_, err = strconv.ParseBool(text)
	case abi.ArgDuration:
		want = "a duration such as 10s"
		_, err = time.ParseDuration(text)
	}
	if err != nil {
		return "want " + want
	}
	return ""
}

// meant returns "did you mean NAME? ", or "" if no name is near.
func meant(name string, known []string) string {
	if closest := suggest.Closest(name, known); closest != "" {
		return fmt.Sprintf("did you mean %s? ", closest)
	}
	return ""
}

func listed(names []string) string {
	switch n := len(names); n {
	case 0:
		return "none"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
