package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/sohost/sohost"
)

// prune takes an image back that no release names any more.
func prune(s *scenario) {
	s.keep = 1
	s.open(-1)
	for _, image := range []int{1, 2, 0, 1} {
		_, err := s.deploy(map[string]string{"a": s.images[image], "b": s.images[image]})
		s.must(err)
		s.check(s.serving("a") == image, "%d serves, want %d", s.serving("a"), image)
	}
	s.must(s.Close(context.Background()))
}

// rollback goes back with one plugin after the other, and with files that still hold what was rolled back.
func rollback(s *scenario) {
	s.mode = sohost.Dev
	s.open(-1)
	want := func(when string, a, b int) {
		s.check(s.serving("a") == a && s.serving("b") == b, "%s: %d and %d serve, want %d and %d", when, s.serving("a"), s.serving("b"), a, b)
	}
	for _, step := range []struct {
		plugin string
		image  int
	}{{"a", 1}, {"a", 2}, {"b", 3}} {
		s.install(s.images[step.image], step.plugin)
		s.await("reload", func() bool { return s.serving(step.plugin) == step.image })
	}
	back := func(plugins ...string) {
		_, err := s.Rollback(context.Background(), sohost.RollbackOptions{Plugins: plugins})
		s.must(err)
	}
	back("a") // the last release is of b
	want("after a rollback of a", 1, 3)
	back("a")
	want("after another", 0, 3)
	_, err := s.Rollback(context.Background(), sohost.RollbackOptions{Plugins: []string{"a"}})
	s.check(errors.Is(err, sohost.ErrNothingToRollBack), "a third rollback of a: %v", err)
	back("b")
	want("after one of b", 0, 0)

	// The files still have what was rolled back. However often they are looked at, nothing happens.
	touch := func(when string) {
		for plugin, image := range map[string]int{"a": 2, "b": 3} {
			before := s.skips(plugin, image)
			s.must(os.Chtimes(s.file(plugin), time.Now(), time.Now()))
			s.await("a look at the file of "+plugin, func() bool { return s.skips(plugin, image) > before })
		}
		want(when, 0, 0)
	}
	release := s.CurrentRelease()
	touch("after a touch")
	s.must(s.Close(context.Background()))
	s.open(-1)
	s.await("a look at both files", func() bool { return s.skips("a", 2) > 0 && s.skips("b", 3) > 0 })
	want("after a restart", 0, 0)
	touch("after a touch and a restart")
	s.check(s.CurrentRelease() == release, "release %d, want %d", s.CurrentRelease(), release)
	s.install(s.images[4], "a")
	s.await("reload", func() bool { return s.serving("a") == 4 })
	s.must(s.Close(context.Background()))
}

// unwritten can't write a release for a while: what serves is in the next one that can be written.
func unwritten(s *scenario) {
	s.open(-1)
	releases := filepath.Join(s.dir, "store", "releases")
	s.must(os.Rename(releases, releases+"~"))
	r, err := s.deploy(map[string]string{"a": s.images[1]})
	s.must(err)
	s.check(r.Warning != "" && s.serving("a") == 1, "deployed %d with warning %q", s.serving("a"), r.Warning)
	s.must(os.Rename(releases+"~", releases))
	r, err = s.deploy(map[string]string{"b": s.images[2]})
	s.must(err)
	s.check(r.Warning == "", "warning %q", r.Warning)
	s.must(s.Close(context.Background()))
	s.open(-1)
	s.check(s.serving("a") == 1 && s.serving("b") == 2, "boots %d and %d, want 1 and 2", s.serving("a"), s.serving("b"))
	s.must(s.Close(context.Background()))
}
