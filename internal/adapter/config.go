package adapter

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sohost/sohost/abi"
)

// Configured is implemented by an abi.Host that knows the types of a plugin's arguments.
type Configured interface {
	// Config returns the plugin's arguments as JSON would have them: a string, float64, bool, []any or map[string]any each. The
	// caller owns the map.
	Config() map[string]any
}

// Config returns a plugin's arguments with their types, as Configured does. From a host that doesn't know the types all are strings.
func Config(host abi.Host) map[string]any {
	if c, ok := host.(Configured); ok {
		return c.Config()
	}
	return Typed(host.Args(), nil)
}

// Typed returns texts and other values as one new map, in the types that JSON would have. Values that JSON can't have are left out:
// CheckValue refuses them before.
func Typed(texts map[string]string, values map[string]any) map[string]any {
	all := make(map[string]any, len(texts)+len(values))
	for key, v := range values {
		var copied any
		if b, err := json.Marshal(v); err == nil && json.Unmarshal(b, &copied) == nil {
			all[key] = copied
		}
	}
	for key, text := range texts {
		all[key] = text
	}
	return all
}

// Texts returns texts and other values as one new map of texts: the others are JSON.
func Texts(texts map[string]string, values map[string]any) map[string]string {
	all := make(map[string]string, len(texts)+len(values))
	for key, v := range values {
		if b, err := json.Marshal(v); err == nil {
			all[key] = string(b)
		}
	}
	for key, text := range texts {
		all[key] = text
	}
	return all
}

// Strings returns the strings in a typed argument that is a string or a list of them.
func Strings(given any) ([]string, error) {
	if s, ok := given.(string); ok {
		return []string{s}, nil
	}
	list, ok := given.([]any)
	all := make([]string, 0, len(list))
	for _, v := range list {
		s, isString := v.(string)
		ok = ok && isString
		all = append(all, s)
	}
	if !ok {
		return nil, errors.New("want a string or a list of strings")
	}
	return all, nil
}

// CheckValue returns an error if JSON can't have a value, such as an infinite number or a function.
func CheckValue(v any) error {
	if _, err := json.Marshal(v); err != nil {
		return fmt.Errorf("want what JSON can have: %w", err)
	}
	return nil
}
