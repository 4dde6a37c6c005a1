package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sohost/sohost"
)

// parsePlugin reads NAME=FILE[,mode=…][,route=…][,arg.KEY=VALUE]. A comma belongs to a value unless a setting follows it.
func parsePlugin(arg string) (name string, p pluginConfig, err error) {
	parts := splitSettings(arg)
	name, p.Image, _ = strings.Cut(parts[0], "=")
	if name == "" || p.Image == "" {
		return "", p, errors.New("want NAME=FILE first")
	}
	if err := checkName(name); err != nil {
		return "", p, err
	}
	p.Mode, p.Routes = sohost.Prod, defaultRoutes(name)
	routed := false
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "mode":
			if err := checkMode(value); err != nil {
				return "", p, fmt.Errorf("mode: %w", err)
			}
			p.Mode = sohost.Mode(value)
		case key == "route":
			if err := checkRoute(value); err != nil {
				return "", p, fmt.Errorf("route: %w", err)
			}
			if !routed {
				p.Routes, routed = nil, true
			}
			p.Routes = append(p.Routes, value)
		case strings.HasPrefix(key, "arg.") && len(key) > len("arg."):
			if p.Args == nil {
				p.Args = map[string]string{}
			}
			p.Args[strings.TrimPrefix(key, "arg.")] = value
		default:
			return "", p, fmt.Errorf("unknown setting %q: want mode, route or arg.KEY", key)
		}
	}
	return name, p, nil
}

// splitSettings splits at the commas, except those that nothing with an equals sign follows: they belong to the value.
func splitSettings(arg string) []string {
	var parts []string
	for i, part := range strings.Split(arg, ",") {
		if i > 0 && !strings.Contains(part, "=") {
			parts[len(parts)-1] += "," + part
			continue
		}
		parts = append(parts, part)
	}
	return parts
}
