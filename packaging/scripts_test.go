package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/executable"
)

// TestPostinst runs the package's script with stand-ins for the programs that it calls: it finds the server that runs by what the
// configuration says, and an installation ends whatever that server does.
func TestPostinst(t *testing.T) {
	const handedOver, started = "sohost handover --binary /usr/bin/sohost", "deb-systemd-invoke start sohost.service"
	for _, test := range []struct {
		name, config string
		status       string // what `sohost status` does
		active       bool   // what systemctl says of the service
		socket       string // that the server is asked at
		does, says   string
	}{
		{"serves", `control = "/run/a.sock" # not "b.sock"`, "true", true, "/run/a.sock", handedOver, ""},
		{"other spelling", "listen = ':1'\n  control='/run/c.sock'\n[plugin.x]\nargs = {}\n", "true", true, "/run/c.sock", handedOver, ""},
		{"relative", `control = "d.sock"`, "true", true, "ETC/d.sock", handedOver, ""},
		{"key of a table", "[plugin.x.args]\ncontrol = \"/no.sock\"", "true", true, "/run/sohost/control.sock", handedOver, ""},
		{"no configuration", "", "true", true, "/run/sohost/control.sock", handedOver, ""},
		{"none runs", `control = "/run/a.sock"`, "false", false, "/run/a.sock", started, ""},
		{"hangs", `control = "/run/a.sock"`, "sleep 60", false, "/run/a.sock", "", "doesn't answer, and goes on with the version before"},
		{"fails", `control = "/run/a.sock"`, "false", true, "/run/a.sock", "", "doesn't answer, and goes on with the version before"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put := func(name, text string) string {
				file := filepath.Join(dir, name)
				if err := executable.Write(file, []byte(text)); err != nil {
					t.Fatal(err)
				}
				return file
			}
			if test.config != "" {
				put("sohost.toml", test.config)
			}
			calls := put("calls", "")
			active := "exit 3"
			if test.active {
				active = "exit 0"
			}
			for name, does := range map[string]string{
				"sohost":    `case $1 in status) echo "at $SOHOST_CONTROL" >>` + calls + `; exec ` + test.status + ` ;; esac`,
				"systemctl": `case "$*" in *is-active*) ` + active + ` ;; esac`, "policy-rc.d": "exit 0",
				"systemd-sysusers": "", "systemd-tmpfiles": "", "deb-systemd-helper": "", "deb-systemd-invoke": "",
			} {
				put(name, "#!/bin/sh\necho \""+name+" $*\" >>"+calls+"\n"+does+"\n")
			}
			script := run(t, exec.Command("cat", "debian/postinst"))
			script = strings.NewReplacer("/etc/sohost", dir, "/run/systemd/system", dir, "timeout 10", "timeout 2").Replace(script)
			cmd := exec.Command(put("postinst", script), "configure", "1.0")
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			called := run(t, exec.Command("cat", calls))
			if at := "at " + strings.Replace(test.socket, "ETC", dir, 1) + "\n"; !strings.Contains(called, at) {
				t.Errorf("want it asked %s, called were:\n%s", at, called)
			}
			for _, order := range []string{handedOver, started} {
				if strings.Contains(called, order) != (order == test.does) {
					t.Errorf("want %q, called were:\n%s", test.does, called)
				}
			}
			if (len(out) > 0) != (test.says != "") || !strings.Contains(string(out), test.says) {
				t.Errorf("it says %q, want %q", out, test.says)
			}
		})
	}
}

// TestPrerm runs the package's script with stand-ins: removal stops the service, and names a server that something else has started.
func TestPrerm(t *testing.T) {
	const stopped = "deb-systemd-invoke stop sohost.service"
	for _, test := range []struct {
		name, order string
		systemd     bool
		status      string // what `sohost status --json` prints
		does, says  string
	}{
		{"service", "remove", true, "", stopped, ""},
		{"upgrade", "upgrade", true, "", "", ""},
		{"other server", "remove", false, `{\n  "pid": 42,\n  "worker": {\n    "pid": 43\n  }\n}`, "", "kill 42 stops it"},
		{"no server", "remove", false, "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			calls := filepath.Join(dir, "calls")
			script := strings.NewReplacer("/run/systemd/system", filepath.Join(dir, "systemd")).Replace(run(t, exec.Command("cat", "debian/prerm")))
			for name, text := range map[string]string{
				"prerm": script, "calls": "",
				"sohost":             "#!/bin/sh\nprintf '" + test.status + "'\n",
				"deb-systemd-invoke": "#!/bin/sh\necho \"deb-systemd-invoke $*\" >>" + calls + "\n",
			} {
				if err := executable.Write(filepath.Join(dir, name), []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if test.systemd {
				if err := os.Mkdir(filepath.Join(dir, "systemd"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(filepath.Join(dir, "prerm"), test.order)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			called := run(t, exec.Command("cat", calls))
			if strings.Contains(called, stopped) != (test.does == stopped) {
				t.Errorf("called were:\n%s", called)
			}
			if (len(out) > 0) != (test.says != "") || !strings.Contains(string(out), test.says) {
				t.Errorf("it says %q, want %q", out, test.says)
			}
		})
	}
}
