package generations

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// killStore is the variable that makes the test binary the process to kill; it names the store's directory.
const killStore = "GENERATIONS_TEST_KILL_STORE"

func TestMain(m *testing.M) {
	for variable, run := range map[string]func(dir string) error{
		killStore:  writeForever,
		lockServer: serveLocked,
		lockWorker: workLocked,
	} {
		dir := os.Getenv(variable)
		if dir == "" {
			continue
		}
		if err := run(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	awaitForms()
	os.Exit(m.Run())
}

// writeForever adds, publishes, confirms and prunes, and says so on stdout each time a release has been published.
func writeForever(dir string) error {
	s, err := OpenStore(dir, quiet)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "source.so")
	for {
		content := fmt.Appendf(nil, "%d %d", os.Getpid(), time.Now().UnixNano())
		if err := os.WriteFile(path, append(content, make([]byte, 100<<10)...), 0o644); err != nil {
			return err
		}
		o, err := s.Add(context.Background(), path)
		if err != nil {
			return err
		}
		r, err := s.Publish(manifest(map[string]ID{"a": o.ID, "b": o.ID}))
		if err != nil {
			return err
		}
		fmt.Println(r.Number)
		if r.Number%3 == 0 {
			if err := s.Confirm(r.Number); err != nil {
				return err
			}
		}
		if _, err := s.Prune(PruneOptions{Keep: 2}); err != nil {
			return err
		}
	}
}

// A process is killed anywhere in its writing. Its lock is gone, current is whole, and no release that it said was
// published is lost.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		said := writeAndDie(t, dir)
		s, err := OpenStore(dir, quiet)
		if err != nil {
			t.Fatal(err)
		}
		checkStore(t, s)
		r, err := s.Current()
		if err != nil || r.Number < said {
			t.Errorf("current is %d, %v; release %d was said to be published", r.Number, err, said)
		}
		s.Close()
		if t.Failed() {
			return
		}
	}
}

// writeAndDie lets a child publish a few releases and kills it; it gives the number that the child said last.
func writeAndDie(t *testing.T, dir string) (said int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killStore+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for last := 1 + rand.IntN(3); last > 0; last-- {
		if !lines.Scan() {
			t.Fatal("the child ended by itself")
		}
	}
	// The one wait for time in these tests: the point of it is to hit any point of the next release's writing.
	time.Sleep(time.Duration(rand.Int64N(int64(10 * time.Millisecond))))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for ok := true; ok; ok = lines.Scan() {
		fmt.Sscan(lines.Text(), &said)
	}
	cmd.Wait()
	return said
}
