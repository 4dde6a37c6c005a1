package blame

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// newFolder returns the folder for trials in a new store.
func newFolder(t *testing.T) *generations.Folder {
	t.Helper()
	store := t.TempDir()
	lock, err := generations.AcquireLock(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock.Folder(store, "trials")
}

// TestTrials begins some trials and ends some: those that are left are what the process may have died of.
func TestTrials(t *testing.T) {
	var log strings.Builder
	trials := &Trials{Folder: newFolder(t), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if tried := trials.Collect(); tried != nil {
		t.Errorf("in the beginning left are %v", tried)
	}
	all := suspects("a", "b.c", "d-e", "f_9")
	for i := range all {
		all[i].Plugin = name(all[i].Image)
		trials.Begin(all[i], InProbe)
		if i != 3 {
			trials.Begin(all[i], InProcess)
		}
		begun := time.Unix(1_000_000+int64(i), 0)
		if err := os.Chtimes(trials.Folder.Path(trial(all[i])), begun, begun); err != nil {
			t.Fatal(err)
		}
	}
	trials.End(all[0])
	trials.End(suspects("x")[0]) // one that was never begun
	foreign := trials.Folder.Path("README")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if tried, want := trials.Collect(), []Suspect{all[2], all[1], all[3]}; !slices.Equal(tried, want) {
		t.Errorf("left are %v, want %v", tried, want)
	}
	if again := trials.Collect(); len(again) != 0 {
		t.Errorf("%v are left for a second process", again)
	}
	if log.Len() > 0 {
		t.Errorf("the log has %s", &log)
	}
	if info, err := os.Stat(trials.Folder.Path("")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
}

// TestTrialsFail has a directory that can't be used, and checks that the log says so.
func TestTrialsFail(t *testing.T) {
	var log strings.Builder
	trials := &Trials{Folder: newFolder(t), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if err := os.WriteFile(trials.Folder.Path(""), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	trials.Begin(suspects("a")[0], InProcess)
	if !strings.Contains(log.String(), "can't note") {
		t.Errorf("the log has %s", &log)
	}
	log.Reset()
	trials.Folder = newFolder(t)
	if err := os.MkdirAll(trials.Folder.Path("x/y"), 0o700); err != nil {
		t.Fatal(err)
	}
	if tried := trials.Collect(); len(tried) != 0 || !strings.Contains(log.String(), "forget") {
		t.Errorf("left are %v, the log has %s", tried, &log)
	}
	blocked := suspects("b")[0]
	if err := os.Mkdir(trials.Folder.Path(trial(blocked)), 0o700); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	trials.Begin(blocked, InProcess)
	if !strings.Contains(log.String(), "can't note") {
		t.Errorf("the log has %s", &log)
	}
}
