package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// TestConfigurationPage compares docs/configuration.md with the settings.
func TestConfigurationPage(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "configuration.md")
	want := configurationPage()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s isn't up to date; run go test ./cmd/sohost -run TestConfigurationPage -update", name)
	}
}

func configurationPage() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from cmd/sohost/settings.go: go test ./cmd/sohost -run TestConfigurationPage -update -->

# Configuration

` + "`sohost run`" + ` takes each setting from the first of these that has it: a flag, the environment (` + "`" + controlEnv + "`" + ` names the
control socket), the configuration file, the default. The file is ` + "`" + defaultConfig + "`" + ` in the working directory if it exists, or the
one that ` + "`--config`" + ` names.

` + "```toml" + `
listen = "127.0.0.1:8181"
store  = "/var/lib/sohost"
settle = "100ms"

[plugin.counter]
image  = "plugins/counter.so"          # relative to the directory of this file
mode   = "prod"
routes = ["/counter"]
args   = { step = "2" }
` + "```" + `

An unknown key, a wrong type and an invalid value are errors. All of them are reported together, each with its line
and column, before the server starts; it then exits with 2. A running server doesn't read the file again.

## Settings of the server

| Key | Flag | Type | Default | |
|---|---|---|---|---|
`)
	for _, s := range newConfig().settings {
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s | %s |\n", s.key, s.flag(), s.value.kind, s.standard(), s.help)
	}
	b.WriteString(`
An address, a directory and a path are strings; in the file, a relative path is relative to the directory of the file. A duration
is a string such as "50ms", "10s" or "1m30s". A number of bytes has no unit: 1073741824 is 1 GiB.

## Settings of a plugin

One table ` + "`[plugin.NAME]`" + ` for each plugin, or one flag ` + "`--plugin NAME=FILE`" + ` with the other settings after it, each after a comma. The
flag replaces the whole table of that name.

| Key | In ` + "`--plugin`" + ` | Type | Default | |
|---|---|---|---|---|
`)
	for _, s := range new(pluginConfig).bind("NAME") {
		option := map[string]string{"": "`NAME=FILE`", "mode": "`,mode=dev`", "route": "`,route=/PATH`, once or more",
			"arg.KEY": "`,arg.KEY=VALUE`, once or more"}[s.option]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.key, option, s.value.kind, s.standard(), s.help)
	}
	return b.String()
}

// TestHelpOfRun checks that the help of run shows each setting with its type and default.
func TestHelpOfRun(t *testing.T) {
	help := newRunCommand().Flags().FlagUsages()
	for _, s := range newConfig().settings {
		line := regexp.MustCompile(`(?m)^ +--` + s.flag() + `( .*|$)`).FindString(help)
		if !strings.Contains(line, s.help) {
			t.Errorf("the help has no line for --%s: %q", s.flag(), line)
		}
		if standard := s.standard(); standard != "false" && !strings.Contains(line, "(default "+standard+")") {
			t.Errorf("the help of --%s doesn't give the default %s: %q", s.flag(), standard, line)
		}
	}
}

var (
	tomlBlock  = regexp.MustCompile("(?ms)^```toml\n(.*?)^```")
	quotedFlag = regexp.MustCompile("`--([a-z][a-z-]*)|sohost [a-z]+[^`\n]*? --([a-z][a-z-]*)")
)

// TestDocs checks that every configuration in the README, the docs and the help of run is valid, and that every flag that the
// README and the docs name exists.
func TestDocs(t *testing.T) {
	flags := map[string]bool{"help": true, "version": true}
	for _, cmd := range newRootCommand().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	_, example, _ := strings.Cut(newRunCommand().Long, "override it:\n\n")
	example, _, found := strings.Cut(example, "\n\n")
	if c, err := parseConfig("run --help", []byte(example)); !found || err != nil || len(c.Plugin) != 1 {
		t.Errorf("the configuration in the help of run: %v\n%s", err, example)
	}
	seen := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range tomlBlock.FindAllSubmatch(text, -1) {
			seen++
			if _, err := parseConfig(page, block[1]); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[1])
			}
		}
		for _, m := range quotedFlag.FindAllSubmatch(text, -1) {
			if name := string(m[1]) + string(m[2]); !flags[name] {
				t.Errorf("%s names the flag --%s, which no command has", page, name)
			}
		}
	}
	if seen < 3 {
		t.Errorf("found only %d configurations in the docs", seen)
	}
}
