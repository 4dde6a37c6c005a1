package abi

// Arg describes an argument of a plugin, for checks of a configuration before the plugin is called with it.
type Arg struct {
	Name string

	// Help says in one line what the argument is for.
	Help string

	// Type is what the argument's text must be.
	Type ArgType

	// Default is what the plugin takes the argument for if it isn't given, for display only.
	Default string

	// Required says that a configuration without the argument is refused.
	Required bool

	// Choices, if not empty, are the only texts that are accepted.
	Choices []string
}

// ArgType is the type of an argument's text. The empty one is ArgString.
type ArgType string

// The types of arguments.
const (
	ArgString   ArgType = "string"
	ArgInt      ArgType = "int"      // as for strconv.ParseInt with base 0
	ArgFloat    ArgType = "float"    // as for strconv.ParseFloat
	ArgBool     ArgType = "bool"     // as for strconv.ParseBool
	ArgDuration ArgType = "duration" // as for time.ParseDuration
)
