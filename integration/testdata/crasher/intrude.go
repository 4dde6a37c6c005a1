package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
)

// intrude reaches for what isn't the plugin's. A call that fails panics, and so does the end of it.
func intrude(action string) {
	b, _ := os.ReadFile(filepath.Join(os.Getenv("CRASHER"), "target"))
	target := strings.TrimSpace(string(b))
	var err error
	switch action {
	case "kill parent":
		err = syscall.Kill(os.Getppid(), syscall.SIGKILL)
	case "quit parent":
		err = syscall.Kill(os.Getppid(), syscall.SIGQUIT)
	case "daemonize":
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err = cmd.Start()
	case "run":
		err = exec.Command("true").Run()
	case "fill":
		for all := [][]byte{}; ; {
			all = append(all, make([]byte, 256<<20))
		}
	case "connect":
		_, err = net.Dial("tcp", target)
	case "listen":
		_, err = net.Listen("tcp", "127.0.0.1:0")
	case "write":
		err = os.WriteFile(target, []byte("changed"), 0o600)
	case "set":
		debug.SetGCPercent(-1)
		syscall.Umask(0o777)
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 20, Max: 20})
	}
	if err != nil {
		panic(err)
	}
	panic("it went on: " + action)
}
