package instance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// TestDescribe describes plugins by their Descriptors. A description that is too large for a child's report leaves out what arguments are for.
func TestDescribe(t *testing.T) {
	large := abi.Arg{Name: "x", Help: strings.Repeat("x", maxDescription)}
	for _, test := range []struct {
		d    abi.Descriptor
		want string
	}{
		{abi.Descriptor{}, `{"described":false}`},
		{abi.Descriptor{Version: "v1", Exclusive: true, Args: []abi.Arg{}}, `{"version":"v1","exclusive":true,"described":true}`},
		{abi.Descriptor{Args: []abi.Arg{{Name: "n", Type: abi.ArgInt, Default: "1", Help: "how many"}, {Name: "s", Required: true, Choices: []string{"a"}}}},
			`{"described":true,"args":[{"name":"n","type":"int","default":"1","help":"how many"},` +
				`{"name":"s","type":"string","required":true,"choices":["a"]}]}`},
		{abi.Descriptor{Args: []abi.Arg{large}}, `{"described":true,"args":[{"name":"x","type":"string"}]}`},
	} {
		got, err := json.Marshal(NewImage("", nil, &test.d).describe())
		if err != nil || string(got) != test.want {
			t.Errorf("%.300s, %v, want %s", got, err, test.want)
		}
	}
}
