package owners

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestOthers(t *testing.T) {
	const nobody = 65534
	for name, test := range map[string]struct {
		change func(dir string) error
		root   bool // only root can change it so
		want   string
	}{
		"nothing":                 {func(string) error { return nil }, false, ""},
		"a file that all write":   {func(d string) error { return os.Chmod(d+"/real/x.so", 0o666) }, false, "everyone may write to the file "},
		"a folder that all write": {func(d string) error { return os.Chmod(d+"/real", 0o777) }, false, "everyone may write to the folder "},
		"a sticky folder":         {func(d string) error { return os.Chmod(d+"/real", 0o777|os.ModeSticky) }, false, ""},
		"the folder of a link":    {func(d string) error { return os.Chmod(d+"/links", 0o777) }, false, "everyone may write to the folder "},
		"a group of the own":      {func(d string) error { return os.Chmod(d+"/real/x.so", 0o664) }, false, ""},
		"another's file":          {func(d string) error { return os.Chown(d+"/real/x.so", nobody, 0) }, true, "belongs to user 65534"},
		"another's folder":        {func(d string) error { return os.Chown(d+"/real", nobody, 0) }, true, "belongs to user 65534"},
		"another's link":          {func(d string) error { return os.Lchown(d+"/links/x.so", nobody, 0) }, true, "the link "},
		"another's, in a sticky one": {func(d string) error {
			return errors.Join(os.Chmod(d+"/real", 0o777|os.ModeSticky), os.Chown(d+"/real/x.so", nobody, 0))
		}, true, "belongs to user 65534"},
		"another group's": {func(d string) error {
			return errors.Join(os.Chown(d+"/real/x.so", 0, nobody), os.Chmod(d+"/real/x.so", 0o664))
		}, true, "group 65534 may write to the file "},
	} {
		t.Run(name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			dir := t.TempDir()
			must(t, os.Mkdir(dir+"/real", 0o755), os.Mkdir(dir+"/links", 0o755), os.WriteFile(dir+"/real/x.so", nil, 0o644),
				os.Symlink("../real/x.so", dir+"/links/x.so"), test.change(dir))
			found, err := Others(dir + "/links/x.so")
			if got := strings.Join(found, "; "); err != nil || (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("found %q, %v; want %q", got, err, test.want)
			}
		})
	}
	if _, err := Others(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that isn't there: %v", err)
	}
}

func TestOutsideAndLeads(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/in", 0o755), os.Mkdir(dir+"/inside", 0o755), os.WriteFile(dir+"/in/a", nil, 0o644), os.WriteFile(dir+"/inside/b", nil, 0o644),
		os.Symlink("a", dir+"/in/same"), os.Symlink(dir+"/in/a", dir+"/in/absolute"), os.Symlink("../inside/b", dir+"/in/away"),
		os.Symlink("none", dir+"/in/nowhere"), os.Symlink("loop", dir+"/in/loop"))
	for name, outside := range map[string]bool{"a": false, "same": false, "absolute": false, "away": true} {
		where, err := Outside(dir+"/in", dir+"/in/"+name)
		if err != nil || (where != "") != outside {
			t.Errorf("%s is outside at %q, %v", name, where, err)
		}
	}
	for name, want := range map[string]string{"a": "", "nowhere": "a link that leads nowhere: to none", "loop": "a loop of links"} {
		if _, err := Leads(dir + "/in/" + name); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s leads to %v, want %q", name, err, want)
		}
	}
}
