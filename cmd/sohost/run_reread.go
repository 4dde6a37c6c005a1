package main

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/sohost/sohost/internal/server/worker"
	"github.com/spf13/cobra"
)

// configured returns the configuration as the supervisor wants it. A token or certificate that can't be read is a usageError.
func (r *runFlags) configured() (c supervisor.Configured, err error) {
	written, listeners, err := r.files()
	if err != nil {
		return c, err
	}
	settings := r.flat()
	if written != nil {
		flatten(settings, "writes", reflect.ValueOf(r.writing))
		if len(written.Tokens) > 0 { // those in files are read again, too
			settings["writes.tokens"] = secret(strings.Join(written.Tokens, "\n"))
		}
	}
	return supervisor.Configured{
		Start: worker.Start{
			Options: r.options(), LogFormat: r.logFormat, Verbose: r.verbose, ShutdownTimeout: r.ShutdownTimeout,
			Writes: written, Sinks: r.Sink, SinksOf: r.sinksOf(), Databases: r.Database, Hooks: r.Hook,
			Listeners: listeners, Linger: r.Linger, LingerWorkers: r.LingerWorkers, StopDelay: r.StopDelay,
			Clients: listener.Limits{
				Header: r.HeaderTimeout, Body: r.BodyTimeout, Idle: r.IdleTimeout, HeaderBytes: r.HeaderLimit, BodyBytes: int64(r.BodyLimit),
			},
		},
		Own: supervisor.Own{
			Metrics: r.Metrics, Profiles: r.Pprof, Console: r.Console, ConsoleToken: r.ConsoleTokenFile, ControlPath: r.Control,
			HangTimeout: r.HangTimeout, HandoverTimeout: r.HandoverTimeout,
		},
		Settings: settings,
		Amended:  r.amended, Forget: r.forget,
		Keep: func(f *generations.Folder) (*generations.Staged, error) {
			files, err := keptConfig{f}.next(r.text)
			if err != nil {
				return nil, err
			}
			if r.changed {
				files = append(files, r.amendments.file())
			}
			return f.Stage(files...)
		},
	}, nil
}

// files reads the files that the configuration names: tokens, and certificates. What can't be used is a usageError.
func (c *config) files() (written *worker.Writes, listeners []listener.Settings, err error) {
	if c.Writes {
		if written, err = c.writing.options(); err != nil {
			return nil, nil, err
		}
	}
	if listeners, err = c.listenerSettings(); err != nil {
		return nil, nil, usageError{err}
	}
	return written, listeners, nil
}

// rereading reads the configuration of a running server again.
type rereading = func(supervisor.Reading) (supervisor.Configured, error)

// rereader returns what reads the configuration again, under the flags of the command line as they are.
func (r *runFlags) rereader(cmd *cobra.Command) rereading {
	return func(which supervisor.Reading) (supervisor.Configured, error) {
		again := runFlags{file: r.file, plugins: r.plugins, logFormat: r.logFormat, verbose: r.verbose}
		if err := again.read(cmd, which); err != nil {
			return supervisor.Configured{}, err
		}
		return again.configured()
	}
}

// flat returns each setting that isn't empty by its key, such as plugin.counter.mode. The text of a secret is left out, but differs when
// the secret does.
func (c *config) flat() map[string]string {
	all := map[string]string{}
	flatten(all, "", reflect.ValueOf(*c))
	for _, chain := range c.chains {
		key := under("route", chain.Route)
		flatten(all, under(key, "chain"), reflect.ValueOf(chain.Plugins))
		flatten(all, under(key, "backend"), reflect.ValueOf(chain.Backend))
	}
	return all
}

// flatten adds the fields of a struct that aren't empty, and what is below them.
func flatten(all map[string]string, key string, v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		if v.Int() != 0 {
			all[key] = time.Duration(v.Int()).String()
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				flatten(all, under(key, keyOf(field.Name)), v.Field(i))
			}
		}
	case v.Kind() == reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			entry(all, under(key, entries.Key().String()), entries.Value())
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.String:
		for i := range v.Len() {
			entry(all, under(key, strconv.Itoa(i)), v.Index(i))
		}
	case v.IsZero():
	case v.Kind() == reflect.String:
		all[key] = shown(key, v.String(), v.String())
	case v.Kind() == reflect.Slice:
		all[key] = fmt.Sprintf("%q", v.Interface())
	default:
		all[key] = fmt.Sprint(v.Interface())
	}
}

// entry adds what is in a table or a list, even if it is empty. Strings are in quotes, or "1" would be the same as 1.
func entry(all map[string]string, key string, v reflect.Value) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		all[key] = shown(key, v.String(), strconv.Quote(v.String()))
		return
	}
	if before := len(all); v.IsValid() {
		if flatten(all, key, v); len(all) == before {
			all[key] = fmt.Sprint(v.Interface())
		}
	}
}

// shown returns how the text of a setting is shown: as it is unless it is a secret or has one.
func shown(key, text, as string) string {
	if strings.HasSuffix(key, "token") {
		return secret(text)
	}
	if u, err := url.Parse(text); err == nil {
		if strings.HasPrefix(key, "hook.") && strings.HasSuffix(key, ".url") && u.Host != "" { // whoever knows it may use it
			return u.Scheme + "://" + u.Host + " with " + secret(text)
		}
		if _, has := u.User.Password(); has {
			return u.Redacted() + " with " + secret(text)
		}
	}
	return as
}

// secret returns a text that says nothing of a secret, but differs when the secret does.
func secret(text string) string { return fmt.Sprintf("a secret (%.4x)", sha256.Sum256([]byte(text))) }

// under returns the key of what is in a table.
func under(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// keyOf returns the key in sohost.toml of a field.
func keyOf(field string) string {
	switch field {
	case "Triggers":
		return "trigger"
	case "Values": // those of a plugin's args that are no strings
		return "args"
	}
	var b strings.Builder
	for i, r := range field {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(field[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
