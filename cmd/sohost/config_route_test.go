package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigChains reads chains, good ones and bad ones: each fault is reported at its place.
func TestConfigChains(t *testing.T) {
	plugins := "[plugin.auth]\nimage = 'auth.so'\n[plugin.shop]\nimage = 'shop.so'\nroutes = ['/direct']\n"
	c, err := parseConfig("f", []byte(plugins+"[route.'/shop']\nchain = ['auth', 'shop']\n[route.'/other']\nchain = ['auth']\nbackend = 'http://h:1'\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := c.options()
	if len(o.Chains) != 2 || o.Chains[0].Backend != "http://h:1" || o.Chains[1].Route != "/shop" || strings.Join(o.Chains[1].Plugins, " ") != "auth shop" {
		t.Errorf("the chains are %+v", o.Chains)
	}
	if auth, shop := c.Plugin["auth"].Routes, c.Plugin["shop"].Routes; len(auth) != 0 || len(shop) != 1 {
		t.Errorf("auth has %v, shop has %v", auth, shop)
	}
	_, err = parseConfig("f", []byte(plugins+`[route.'/a']
chain = ['auht',
         'shop']
[route.'/direct']
chain = ['shop', 'auth']
[route.'/c']
chain = ['auth', 'shop']
backend = 'h'
[route.'/d']
chain = [1]
chian = []
[route.'/../e']
chain = ['auth']
[[plugin.auth.trigger]]
spec = 'request:/x//y'
`))
	for _, want := range []string{
		`f:7:10: no plugin is named "auht"; did you mean auth?`, `f:9:8: [route."/direct"]: plugin shop already has route /direct`, "f:10:18: plugin auth comes after shop here",
		`f:12:18: plugin shop comes after auth here`, `f:13:1: backend "h": want a URL`, "f:15:10: chain: want strings in quotes",
		`f:16:1: unknown setting "chian"`, `route: want a path without "//", "/./" and "/../", not "/../e": write "/e" if that is meant`,
		`f:20:1: spec: "request:/x//y": want a path without "//", "/./" and "/../", not "/x//y": write "/x/y" if that is meant`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// TestFlagInChain replaces a plugin of a chain by a flag: it has no route of its own still, and one that it is given counts among all.
func TestFlagInChain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.toml")
	text := "[plugin.auth]\nimage = 'auth.so'\n[plugin.shop]\nimage = 'shop.so'\n[route.'/shop']\nchain = ['auth', 'shop']\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, "--config", file, "--plugin", "auth=new.so", "--plugin", "alone=alone.so")
	if auth, alone := c.Plugin["auth"].Routes, c.Plugin["alone"].Routes; len(auth) != 0 || len(alone) != 1 || alone[0] != "/alone" {
		t.Errorf("auth has %v, alone has %v", auth, alone)
	}
	cmd, r := newRunCommand(), runFlags{file: file, plugins: []string{"auth=new.so,route=/shop"}}
	if err := r.load(cmd); err == nil || !strings.Contains(err.Error(), "plugin auth already has route /shop") {
		t.Error(err)
	}
}
