package sinks

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// TestPlugins emits rows to a sink of kind plugins. It writes those of its tables, whatever the plugin does with its own afterwards.
func TestPlugins(t *testing.T) {
	var fed []Fed
	var refuse error
	wanted := true
	s, err := Open(map[string]Config{"next": {Kind: kindPlugins, Tables: []string{"a", "b"}, Database: "d"}}, t.TempDir(), slog.New(slog.DiscardHandler),
		func(f Fed) (bool, error) {
			if refuse == nil && wanted {
				fed = append(fed, f)
			}
			return wanted, refuse
		})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	emit := func() []abi.Table {
		var b rows.Builder
		b.Row("a").Tag("k", "v").Int("n", 1).AtNano(1)
		b.Row("other").Int("n", 2).AtNano(2)
		b.Row("b").Float("x", 0.5)
		tables := b.Tables()
		err := s.Write(t.Context(), []string{"next"}, tables)
		if (err != nil) != (refuse != nil) {
			t.Error(err)
		}
		return tables
	}
	if err := s.Write(t.Context(), nil, nil); err == nil {
		t.Error("a plugin that doesn't name the sink emits")
	}
	tables := emit()
	tables[0].Columns[1].Ints[0] = 99
	text, _ := lineprotocol.Append(nil, fed[0].Tables)
	if lines := strings.Split(string(text), "\n"); len(lines) != 3 || lines[0] != "a,k=v n=1i 1" || !strings.HasPrefix(lines[1], "b x=0.5 1") {
		t.Errorf("tables: %q", lines)
	}
	if string(fed[0].Text) != string(text) || fed[0].Database != "d" || fed[0].Rows != 2 {
		t.Errorf("text: %+v", fed[0])
	}
	wanted = false
	emit()
	wanted, refuse = true, errors.New("no room")
	emit()
	if st := s.Status()[0]; st.Accepted != 4 || st.Stored != 2 || !strings.Contains(st.Error, "no room") || st.Target != "a b" {
		t.Errorf("status: %+v", st)
	}
}
