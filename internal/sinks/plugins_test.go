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
	if st := s.Status()[0]; st.Accepted != 4 || st.Stored != 2 || !strings.Contains(st.Error, "no room") || st.Target != "a b" || st.Failing.IsZero() {
		t.Errorf("status: %+v", st)
	}
	refuse = nil
	emit()
	if st := s.Status()[0]; st.Accepted != 6 || st.Stored != 4 || st.Error != "" || !st.Failing.IsZero() {
		t.Errorf("status, when it takes rows again: %+v", st)
	}
}

// TestPluginsRefuse emits rows that no plugin can get, as no client can write them. They are counted and logged, and the others are written.
func TestPluginsRefuse(t *testing.T) {
	var rowsFed int
	var log strings.Builder
	s := newPlugins(&Config{Kind: kindPlugins, Tables: []string{"a", "#b"}}, func(f Fed) (bool, error) {
		rowsFed += f.Rows
		return true, nil
	}, slog.New(slog.NewTextHandler(&log, nil)))
	var ints, floats rows.Builder
	ints.Row("a").Int("n", 1)
	ints.Row("#b").Int("n", 1)
	floats.Row("a").Float("n", 0.5)
	floats.Row("a").Int("time", 1).Float("n", 0.5)
	if err := s.Write(t.Context(), append(ints.Tables(), floats.Tables()...)); err != nil {
		t.Error(err)
	}
	if st := s.Status(); rowsFed != 1 || st.Stored != 1 || st.Refused != 2 || st.Lacking != 1 || !strings.Contains(st.Error, "holds a float") {
		t.Errorf("%d rows; status: %+v", rowsFed, st)
	}
	if !strings.Contains(log.String(), "a sink refuses rows") {
		t.Errorf("log: %s", log.String())
	}
}

// TestNoPattern checks that a sink's tables are names: a loop by a pattern would not be found.
func TestNoPattern(t *testing.T) {
	var faults []string
	(&Config{Kind: kindPlugins, Tables: []string{"a", "*"}}).Check(func(field, text string) { faults = append(faults, field+" "+text) })
	if len(faults) != 1 || !strings.HasPrefix(faults[0], "tables ") {
		t.Errorf("faults: %q", faults)
	}
}
