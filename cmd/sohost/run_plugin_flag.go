package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// parsePlugin reads NAME=FILE[,mode=…][,route=…][,probe=…][,api=…][,cut_after=…][,arg.KEY=…][,sink=…][,disabled=…][,trigger=…]. A comma is part of a value unless a setting follows it.
func parsePlugin(arg string) (name string, p pluginConfig, err error) {
	parts := splitSettings(arg)
	name, image, _ := strings.Cut(parts[0], "=")
	if name == "" || image == "" {
		return "", p, errors.New("want NAME=FILE first")
	}
	if err := checkName("plugin", name); err != nil {
		return "", p, err
	}
	p, err = newPluginConfig(image, parts[1:])
	return name, p, err
}

// newPluginConfig returns the configuration of a plugin with settings OPTION=VALUE.
func newPluginConfig(image string, given []string) (p pluginConfig, err error) {
	settings := p.bind()
	p.Image = image
	for _, part := range given {
		option, text, _ := strings.Cut(part, "=")
		if key, ok := strings.CutPrefix(option, "arg."); ok && key != "" {
			option, text = "arg.KEY", key+"="+text
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.option == option && option != "" })
		if i < 0 {
			var options []string
			for _, s := range settings {
				if s.option != "" {
					options = append(options, s.option)
				}
			}
			return p, unknown("setting", option, options, either(options))
		}
		if err := settings[i].value.fromFlag(text); err != nil {
			return p, fmt.Errorf("%s: %w", option, err)
		}
	}
	return p, nil
}

// splitSettings splits at commas, except at those that are part of a value: no equals sign follows them.
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
