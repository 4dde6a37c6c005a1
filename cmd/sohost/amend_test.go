package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// TestAmendments makes one amendment after the other, of a plugin that is added with settings of its own: what is noted is only what
// differs from those, and whoever takes the name later begins with nothing.
func TestAmendments(t *testing.T) {
	a := new(amendments)
	for i, step := range []struct {
		what     control.Amendment
		disabled bool
		mode     sohost.Mode
		noted    string // what of the plugin is amended besides
	}{
		{control.Amendment{Verb: control.Add, Image: "/p.so", Settings: []string{"disabled=true", "mode=dev"}}, true, sohost.Dev, ""},
		{control.Amendment{Verb: control.Enable}, false, sohost.Dev, "enabled"},
		{control.Amendment{Verb: control.Move, Mode: sohost.Prod}, false, sohost.Prod, "in prod mode, enabled"},
		{control.Amendment{Verb: control.Disable}, true, sohost.Prod, "in prod mode"},
		{control.Amendment{Verb: control.Move, Mode: sohost.Dev}, true, sohost.Dev, ""},
		{control.Amendment{Verb: control.Enable}, false, sohost.Dev, "enabled"},
		{control.Amendment{Verb: control.Remove}, false, "", "gone"},
		{control.Amendment{Verb: control.Add, Image: "/p.so"}, false, sohost.Prod, ""},
		{control.Amendment{Verb: control.Move, Mode: sohost.Prod}, false, sohost.Prod, ""},
	} {
		step.what.Plugin = "p"
		c := newConfig()
		if _, err := a.change(c, &step.what); err != nil {
			t.Fatal(i, err)
		}
		all, err := a.apply(c)
		if err != nil {
			t.Fatal(i, err)
		}
		want := []string{"p added"}
		switch step.noted {
		case "gone":
			want = nil
		case "":
		default:
			want = []string{"p added, " + step.noted}
		}
		var got []string
		for _, amended := range all {
			got = append(got, amended.String())
		}
		if p := c.Plugin["p"]; p.Disabled != step.disabled || p.Mode != step.mode || !slices.Equal(got, want) {
			t.Errorf("%d: %+v\namended is %q, want %q", i, p, got, want)
		}
	}
}

// TestAmendmentsLeft adds a plugin by command whose name the configuration had, when a command had disabled it and moved it.
func TestAmendmentsLeft(t *testing.T) {
	a := &amendments{Modes: map[string]sohost.Mode{"p": sohost.Dev, "q": sohost.Dev}, Disabled: map[string]bool{"p": true}}
	if _, err := a.change(newConfig(), &control.Amendment{Verb: control.Add, Plugin: "p", Image: "/p.so"}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(a.Modes, map[string]sohost.Mode{"q": sohost.Dev}) || len(a.Disabled) > 0 || len(a.Added) != 1 {
		t.Errorf("the amendments are %+v", a)
	}
}
