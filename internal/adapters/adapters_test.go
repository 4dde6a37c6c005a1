package adapters

import (
	"errors"
	"strings"
	"testing"

	"github.com/sohost/sohost/native"
)

// TestOf tells APIs by the symbols, and by the seal before these.
func TestOf(t *testing.T) {
	for _, test := range []struct{ sealed, symbols, api string }{
		{"", "Plugin", "sohost"},
		{"", "HandlerRegisterer Plugin", "sohost"},
		{"krakend", "HandlerRegisterer Plugin", "krakend"},
		{"", "Other ModifierRegisterer", "krakend"},
		{"", "ClientRegisterer", "krakend"},
		{"", "SohostTraefik", "traefik"},
		{"", "AddFooBarHeader", ""},
		{"tyk", "AddFooBarHeader", "tyk"},
	} {
		info := &native.Info{Symbols: strings.Fields(test.symbols), Seal: &native.Seal{API: test.sealed}}
		if api := Of(info); api != test.api {
			t.Errorf("%q for %q: %q, want %q", test.symbols, test.sealed, api, test.api)
		}
	}
	if api := Of(&native.Info{Symbols: []string{"Plugin"}}); api != Own {
		t.Errorf("without a seal: %q", api)
	}
	if err := Valid("kong"); !errors.Is(err, ErrAPI) || !strings.Contains(err.Error(), "sohost, krakend, traefik, tyk") {
		t.Error(err)
	}
}

// TestCheck refuses images for what their API doesn't serve, beside what refuses any image.
func TestCheck(t *testing.T) {
	self, err := native.Self()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, api, want, text string
		packages              []string
	}{
		{"another than wanted", "krakend", "tyk", `want tyk, found krakend; set api = "krakend"`, nil},
		{"unknown", "kong", "", "unsupported api: kong", nil},
		{"what the gateway has", "tyk", "", "unsupported api: tyk: it uses Tyk's gateway", []string{"github.com/TykTechnologies/tyk/ctx"}},
		{"nothing", "", "", "no symbol: Plugin: want Plugin, found F; declare a package-level variable Plugin in package main of the plugin; if " +
			"it is written for another API, build it with `sohost build --api`", nil},
	} {
		packages := map[string]string{}
		for _, p := range test.packages {
			packages[p] = "00"
		}
		info := &native.Info{Kind: native.KindPlugin, Symbols: []string{"F"}, Packages: packages, Seal: &native.Seal{API: test.api}}
		err := Check(info, test.want, self)
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want %s", test.name, err, test.text)
		}
	}
}
