package blame

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"golang.org/x/sys/unix"
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

// FuzzTrials finds files with any names where trials are recorded. Only what Begin writes names a suspect, and nothing stays.
func FuzzTrials(f *testing.F) {
	id := suspects("a")[0].Image.String()
	for _, name := range []string{"a@" + id, "@" + id, "a@b@" + id, "a@" + strings.ToUpper(id), "..@" + id, "\xff@" + id, "a@", "README"} {
		f.Add(name, true)
		f.Add(name, false)
	}
	f.Fuzz(func(t *testing.T, name string, file bool) {
		trials := &Trials{newFolder(t), slog.New(slog.DiscardHandler)}
		path := trials.Folder.Path(filepath.Base(name))
		err := os.MkdirAll(trials.Folder.Path(""), 0o700)
		if err != nil {
			t.Fatal(err)
		}
		if file {
			err = os.WriteFile(path, []byte(InProbe), 0o600)
		} else {
			err = unix.Mkfifo(path, 0o600) // reading it would take for ever
		}
		if err != nil {
			return // no name for a file
		}
		tried := trials.Collect()
		if len(tried) > 1 || len(tried) == 1 && (!file || trials.Folder.Path(trial(tried[0])) != path || !generations.ValidName(tried[0].Plugin)) {
			t.Errorf("%q is the trial of %v", name, tried)
		}
		if left, _ := os.ReadDir(trials.Folder.Path("")); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	})
}
