package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sohost/sohost"
)

// sample returns a text for a setting that isn't its default, as a flag is given it and as it stands in sohost.toml.
func sample(t *testing.T, s setting, i int) (flag, toml string) {
	switch s.value.kind {
	case "number", "bytes":
		n := fmt.Sprint(1001 + i) // a different one for each setting
		return n, n
	case "duration":
		d := fmt.Sprintf("%dms", 1001+i)
		return d, fmt.Sprintf("%q", d)
	case "bool":
		return "true", "true"
	case "address":
		at := fmt.Sprintf("127.0.0.1:%d", 1001+i)
		return at, fmt.Sprintf("%q", at)
	case "directory", "path":
		return "/" + s.key, fmt.Sprintf("%q", "/"+s.key)
	}
	t.Fatalf("setting %s has the unknown kind %q", s.key, s.value.kind)
	return "", ""
}

// TestSettings sets every setting to something of its own, once in a file and once by flags. Both must come to the same
// configuration, in which no field has its default, and so must what the server is started with.
func TestSettings(t *testing.T) {
	t.Setenv(controlEnv, "")
	var file strings.Builder
	args := []string{}
	for i, s := range newConfig().settings {
		flag, toml := sample(t, s, i)
		fmt.Fprintf(&file, "%s = %s\n", s.key, toml)
		args = append(args, "--"+s.flag()+"="+flag)
	}
	named := filepath.Join(t.TempDir(), "all.toml")
	if err := os.WriteFile(named, []byte(file.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.toml")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fromFile := load(t, "--config", named)
	fromFlags := load(t, append(args, "--config", empty)...)
	differ(t, reflect.ValueOf(*fromFile), reflect.ValueOf(*newConfig()))
	differ(t, reflect.ValueOf(fromFile.options()), reflect.ValueOf(newConfig().options()))
	same(t, reflect.ValueOf(fromFile.options()), reflect.ValueOf(*fromFile))
	flat := fromFile.flat()
	for _, s := range fromFile.settings {
		if _, has := flat[s.key]; !has {
			t.Errorf("%s is not in what two configurations are compared by: %v", s.key, flat)
		}
	}
	fromFile.settings, fromFile.dir, fromFile.text, fromFile.at = nil, "", nil, nil
	fromFlags.settings, fromFlags.dir, fromFlags.text, fromFlags.at = nil, "", nil, nil
	if !reflect.DeepEqual(fromFile, fromFlags) {
		t.Errorf("the file gives %+v\nthe flags give %+v", fromFile, fromFlags)
	}
}

// load returns what `sohost run` makes of its arguments.
func load(t *testing.T, args ...string) *config {
	t.Helper()
	cmd := newRunCommand()
	var r runFlags
	cmd.ResetFlags()
	r.add(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := r.load(cmd); err != nil {
		t.Fatal(err)
	}
	return r.config
}

// notSettings are the fields of sohost.Options that no setting of `sohost run` is for.
var notSettings = map[string]string{
	"CacheBytes":    "nobody has needed another size",
	"CrashesInARow": "the supervisor counts them",
}

// differ wants each field of two structs that holds a single value, or a struct of such, to differ.
func differ(t *testing.T, a, b reflect.Value) {
	t.Helper()
	for i := range a.NumField() {
		field := a.Type().Field(i)
		if _, excepted := notSettings[field.Name]; excepted || !field.IsExported() {
			continue
		}
		switch field.Type.Kind() {
		case reflect.Struct:
			differ(t, a.Field(i), b.Field(i))
		case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Func, reflect.Interface:
		default:
			if a.Field(i).Interface() == b.Field(i).Interface() {
				t.Errorf("%s.%s is %v whatever is set", a.Type(), field.Name, a.Field(i))
			}
		}
	}
}

// same wants fields that have one name in options and configuration to have one value.
func same(t *testing.T, options, c reflect.Value) {
	t.Helper()
	for i := range options.NumField() {
		name := options.Type().Field(i).Name
		f := c.FieldByName(name)
		if f.IsValid() && fmt.Sprint(f) != fmt.Sprint(options.Field(i)) && name != "Plugins" {
			t.Errorf("the server is started with %s %v, not %v", name, options.Field(i), f)
		}
	}
}

// TestDefaults reads back the defaults that --help and docs/configuration.md show: as flags they change nothing.
func TestDefaults(t *testing.T) {
	c := newConfig()
	for _, s := range c.settings {
		switch {
		case s.initial != "", s.value.kind == "bytes": // words, or a number that is written for people
			continue
		}
		if err := s.value.fromFlag(s.standard()); err != nil {
			t.Errorf("%s: default %s: %v", s.key, s.standard(), err)
		}
	}
	if !reflect.DeepEqual(c.options(), newConfig().options()) {
		t.Errorf("the defaults, written out, give %+v, want %+v", c.options(), newConfig().options())
	}
	if c.Keep == 0 || c.options().Budget == (sohost.Budget{}) {
		t.Errorf("no defaults: %+v", c.options())
	}
}
