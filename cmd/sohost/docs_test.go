package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/sinks"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// TestConfigurationPage compares docs/configuration.md with the settings.
func TestConfigurationPage(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "configuration.md")
	want := configurationPage(t)
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

// row is a setting in docs/configuration.md.
type row struct{ Key, Flag, Type, Default, Help string }

func configurationPage(t *testing.T) string {
	var page struct{ Server, Plugin, Trigger, Route, Writes, Listener, Sink, Database, Hook []row }
	for _, s := range newConfig().settings {
		page.Server = append(page.Server, row{s.key, s.flag(), s.value.kind, s.standard(), s.help})
	}
	for _, s := range new(pluginConfig).bind() {
		flag := map[string]string{"": "NAME=FILE", "mode": ",mode=MODE", "route": ",route=/PATH", "arg.KEY": ",arg.KEY=VALUE",
			"probe": ",probe=MODE", "api": ",api=API", "cut_after": ",cut_after=DURATION", "sink": ",sink=NAME", "disabled": ",disabled=true", "trigger": ",trigger=SPEC"}[s.option]
		if flag == "" {
			t.Errorf("no example of ,%s", s.option)
		}
		page.Plugin = append(page.Plugin, row{s.key, flag, s.value.kind, s.standard(), s.help})
	}
	for _, s := range bindTrigger(new(sohost.Trigger)) {
		page.Trigger = append(page.Trigger, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	for _, s := range new(writesConfig).bind() {
		page.Writes = append(page.Writes, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	for _, s := range bindSink(new(sinks.Config)) {
		page.Sink = append(page.Sink, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	for _, s := range bindDatabase(new(query.Options)) {
		page.Database = append(page.Database, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	for _, s := range bindHook(new(hooks.Hook)) {
		page.Hook = append(page.Hook, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	for _, s := range bindListener(new(listenerConfig)) {
		page.Listener = append(page.Listener, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	for _, s := range bindRoute(new(sohost.Chain)) {
		page.Route = append(page.Route, row{s.key, "", s.value.kind, s.standard(), s.help})
	}
	tmpl, err := template.ParseFiles("testdata/configuration.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, page); err != nil {
		t.Fatal(err)
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
