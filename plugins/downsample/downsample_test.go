package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/plugins/internal/trial"
)

// TestWindows counts through reloads, rows that come twice or late, and windows that can't be stored.
func TestWindows(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"window": "1m", "late": "2m", "calculations": "sum count avg min max first last"}).Run("windows")
}

// TestFields takes some fields only.
func TestFields(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"fields": "user idle", "suffix": "_small"}).Run("fields")
}

// TestOtherWindow changes the window in a reload. Windows that are open by then are emitted as they began.
func TestOtherWindow(t *testing.T) {
	args := map[string]string{"window": "1m", "calculations": "sum count"}
	r := trial.New(t, &Plugin, args)
	r.Run("minutes")
	args["window"] = "5m"
	r.Run("other")
}

// TestForgottenMeanwhile has one call forget a window while another can't store it.
func TestForgottenMeanwhile(t *testing.T) {
	d := trial.New(t, &Plugin, map[string]string{"window": "1s", "late": "1s", "calculations": "median"}).Instance().(*downsample)
	batch := &abi.Batch{Tables: lineprotocol.Parse([]byte("cpu v=2 1000000000"), lineprotocol.Options{Precision: lineprotocol.Nanosecond}).Tables}
	if err := d.HandleBatch(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	taken := d.take(2e9)
	d.forget(3e9)
	d.giveBack(taken)
	if again := d.take(3e9); len(taken) != 1 || len(again) != 1 || again[0].cell != taken[0].cell || again[0].Seen != 1 {
		t.Errorf("%+v, and then %+v", taken, again)
	}
}

// TestDetails computes medians and the like through a reload, of windows with one value and several, and with a calculation that is added
// in the middle of a window: of that there is no result, as values are missing.
func TestDetails(t *testing.T) {
	trial.New(t, &Plugin, map[string]string{"calculations": "median stddev var p90 first_value last_value"}).Run("details")
	args := map[string]string{"calculations": "max"}
	r := trial.New(t, &Plugin, args)
	r.Run("simple")
	args["calculations"] = "max approx_median"
	r.Run("added")
}

// TestManyValues has more values in a window than are kept. What is computed of those that are is close, and the spread is exact.
func TestManyValues(t *testing.T) {
	const n = 100_000
	var d detail
	for i := range n {
		d = d.with(float64(i * 7919 % n)) // each number once
	}
	if len(d.Kept) != maxKept || cap(d.Kept) > 2*maxKept {
		t.Errorf("%d values are kept", len(d.Kept))
	}
	for _, p := range []float64{5, 50, 95} {
		if got, _ := d.percentile(p); math.Abs(got.Float-p/100*n) > 0.03*n {
			t.Errorf("percentile %v is %v", p, got.Float)
		}
	}
	if got, _ := d.deviation(); math.Abs(got.Float-n/math.Sqrt(12)) > 1 {
		t.Errorf("the standard deviation is %v", got.Float)
	}
}

func TestSettings(t *testing.T) {
	for _, args := range []map[string]string{{"window": "0s"}, {"window": "x"}, {"late": "-1s"}, {"calculations": "avg mode"}, {"calculations": "p0"}, {"calculations": "p100"}, {"calculations": "p05"}} {
		if _, err := readSettings(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	if s, err := readSettings(map[string]string{"window": "2h"}); err != nil || s.suffixOf(int64(s.window)) != "_2h" {
		t.Errorf("%+v, %v", s, err)
	}
}

// BenchmarkBatch counts points of fifty series, which are all new or all known: rows that come again.
func BenchmarkBatch(b *testing.B) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "cpu,cpu=cpu0,host=web%d busy=%d,idle=1.5 %d\n", i%50, i, 1767225600000000000+int64(i))
	}
	for _, news := range []bool{true, false} {
		b.Run(fmt.Sprintf("new=%t", news), func(b *testing.B) {
			d := trial.New(b, &Plugin, nil).Instance().(*downsample)
			batch := &abi.Batch{Tables: lineprotocol.Parse([]byte(text.String()), lineprotocol.Options{}).Tables}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if err := d.HandleBatch(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				for i := range batch.Tables[0].Times {
					if news {
						batch.Tables[0].Times[i] += 1_000_000
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/point")
		})
	}
}
