package main

import (
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
`))
	for _, want := range []string{
		`f:7:10: no plugin is named "auht"; did you mean auth?`, "f:9:8: plugin shop already has route /direct", "f:10:18: plugin auth comes after shop here",
		`f:12:18: plugin shop comes after auth here`, `f:13:1: backend "h": want a URL`, "f:15:10: chain: want the name of a plugin in quotes",
		`f:16:1: unknown setting "chian"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}
