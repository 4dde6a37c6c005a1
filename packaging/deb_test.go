package packaging

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDeb installs the Debian package, builds a plugin with it, upgrades it under load, removes and purges it.
func TestDeb(t *testing.T) {
	wanted(t)
	t.Parallel()
	source, one, two := cloned(t), built{"../build/package"}, built{t.TempDir()}
	tag(t, source, "v1.999.0-rc.1")
	two.make(t, source)
	r := newRoot(t)
	const enabled = "/etc/systemd/system/multi-user.target.wants/sohost.service"

	r.recordSystemctl(t)
	r.install(t, one.file(t, "*_"+architecture(t)+".deb"))
	if !r.called(t, `daemon-reload\n(.*\n)*.*\bstart sohost\.service`) {
		t.Error("the service isn't started")
	}
	if !r.has(enabled) || r.has("/etc/systemd/system/sockets.target.wants/sohost.socket") {
		t.Error("the service isn't enabled, or its socket is")
	}
	if out := r.run(t, "systemd-analyze", "verify", "sohost.service", "sohost.socket", "sohost-control.socket"); out != "" {
		t.Error(out)
	}
	config := strings.Replace(r.read(t, "/etc/sohost/sohost.toml"), "127.0.0.1:8181", "127.0.0.1:0", 1)
	config = strings.Replace(config, "store ", "probation = \"1s\"\nstore ", 1)
	r.write(t, "/etc/sohost/sohost.toml", config)
	s := r.start(t)
	plugin(t, r, "greeter", "")

	load := startLoad(s.url+"/greeter", 0)
	if out := r.install(t, two.file(t, "*.deb")); strings.Contains(out, "goes on with the version before") {
		t.Error(out)
	}
	if r.called(t, `\b(start|restart|stop)\b`) {
		t.Error("the upgrade restarted the service")
	}
	s.becomes(t, r, "/usr/bin/sohost")
	if out := r.run(t, "sohost", "version"); !strings.Contains(out, "v1.999.0-rc.1\n") {
		t.Errorf("another version than the one that was tagged: %s", out)
	}
	asked := load.end(t)
	t.Logf("%d requests while it was upgraded", asked)
	if r.read(t, "/etc/sohost/sohost.toml") != config {
		t.Error("the configuration isn't what it was before the upgrade")
	}
	if out := r.run(t, "sohost", "status"); !strings.Contains(out, "greeter") {
		t.Errorf("status without a word of where the server is: %s", out)
	}
	refuse(t, r, two.file(t, "*.deb"))

	r.run(t, "dpkg", "-r", "sohost")
	if !r.called(t, `\bstop\b.* sohost\.service`) {
		t.Error("removal didn't stop the service")
	}
	s.stop(t, s.cmd.Process.Pid)
	if r.has("/usr/bin/sohost") || !r.has("/etc/sohost/sohost.toml") || !r.has("/var/lib/sohost/store/current") {
		t.Error("removal left the program, or took configuration or state")
	}
	r.install(t, two.file(t, "*.deb"))
	s = r.start(t)
	if body, err := get(s.url + "/greeter"); err != nil || !strings.Contains(body, fmt.Sprintf("request %d,", asked+1)) {
		t.Errorf("after %d requests: %s, %v", asked, body, err)
	}
	s.stop(t, s.cmd.Process.Pid)
	r.run(t, "dpkg", "-P", "sohost")
	for _, path := range []string{"/etc/sohost", "/var/lib/sohost", "/run/sohost", "/usr/share/doc/sohost", "/lib/systemd/system/sohost.service", enabled} {
		if r.has(path) {
			t.Errorf("purge left %s", path)
		}
	}
}

// plugin makes a plugin with the installed program, changes its source by a sed script, and puts it where the server finds it.
func plugin(t *testing.T, r root, name, script string) {
	t.Helper()
	r.run(t, "install", "-d", "/home/author")
	r.run(t, "sh", "-ec", fmt.Sprintf("cd /home/author; sohost new %[1]s; sed -i '%[2]s' %[1]s/plugin.go; sohost build ./%[1]s", name, script))
	r.run(t, "install", "-m", "644", "/home/author/build/plugins/"+name+".so", "/var/lib/sohost/plugins")
	served := regexp.MustCompile(`(?m)^` + name + ` +[0-9a-f]{12} `)
	await(t, name+" is served", func() bool { return served.MatchString(r.run(t, "sohost", "status")) })
}

// refuse upgrades to a package whose program can't or may not take over. The package is installed all the same, and the server
// goes on.
func refuse(t *testing.T, r root, deb string) {
	t.Helper()
	const goesOn = "the running server goes on with the version before"
	r.write(t, "/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
	if out := r.install(t, deb); !strings.Contains(out, "by policy-rc.d, "+goesOn) {
		t.Errorf("the policy forbids a handover: %s", out)
	}
	if err := os.Remove(filepath.Join(r.dir, "usr/sbin/policy-rc.d")); err != nil {
		t.Fatal(err)
	}
	// A function can't leave the process, so a plugin whose state is one holds every handover up.
	plugin(t, r, "stuck", "s/Value: int64(0)/Value: func() {}/; s/Value: p.requests.Load()/Value: func() {}/")
	if out := r.install(t, deb); !strings.Contains(out, "stuck") || !strings.Contains(out, goesOn) {
		t.Errorf("a plugin can't be handed over: %s", out)
	}
}
