package main

import (
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/native"
)

// TestWhyFull has an image that is full although that wasn't asked for: both commands say why.
func TestWhyFull(t *testing.T) {
	const why = "the host lacks it"
	rows := contents(&native.Info{Kind: native.KindPlugin, Seal: &native.Seal{WhyFull: why}})
	if last := strings.Join(rows[len(rows)-1], " "); last != " not slim: "+why {
		t.Errorf("inspect says %q", last)
	}
	if rows := contents(&native.Info{Kind: native.KindPlugin, Seal: &native.Seal{}}); len(rows) != 1 {
		t.Errorf("of an image that was to be full, inspect says %q", rows)
	}

	image := strings.Repeat("0", 64)
	b := &batch{results: []*build.Result{
		{Output: "/plugins/large.so", Image: image, Size: 3 << 20, WhyFull: why}, {Output: "/plugins/asked.so", Image: image}, {Output: "/plugins/slim.so", Image: image, Slim: true},
	}}
	var stdout, stderr strings.Builder
	if err := b.report(&stdout, &stderr, false); err != nil {
		t.Fatal(err)
	}
	if want := "large: a full image of 3.0 MiB, not a slim one: " + why + "\n"; stderr.String() != want {
		t.Errorf("build says %q, want %q", stderr.String(), want)
	}
}
