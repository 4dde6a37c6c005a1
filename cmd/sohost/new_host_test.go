package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/internal/build"
)

// TestContractSteps has contracts of a program from a directory, from a module that can be required, and from one that is replaced.
func TestContractSteps(t *testing.T) {
	got := contractSteps("shop", "bin/server", []build.Contract{
		{Package: "example.com/app/contract", Module: "example.com/app"},
		{Package: "example.com/app/types", Module: "example.com/app"},
		{Package: "example.com/lib/a", Module: "example.com/lib", Version: "v1.2.0"},
		{Package: "example.com/old", Module: "example.com/old", Version: "v1.0.0", Replace: "example.com/new@v1.1.0"},
	})
	want := [][]string{
		{"  go -C ./shop mod edit -require=example.com/app@v0.0.0 -replace=example.com/app=SOURCE", "# server shares example.com/app/contract " +
			"with its plugins; SOURCE is the directory of example.com/app that it was built from, or a copy of that"},
		{"  go -C ./shop get example.com/lib@v1.2.0", "# server shares example.com/lib/a with its plugins"},
		{"  go -C ./shop mod edit -require=example.com/old@v1.0.0 -replace=example.com/old=example.com/new@v1.1.0",
			"# server shares example.com/old with its plugins"},
		{"  go -C ./shop mod tidy", "# once the plugin imports it"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rows := contractSteps("shop", "bin/server", nil); rows != nil {
		t.Errorf("without contracts: %q", rows)
	}
}
