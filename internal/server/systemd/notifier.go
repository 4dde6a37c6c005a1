package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

const (
	// sendLimit bounds how long a message may wait for room in systemd's queue.
	sendLimit = time.Second
	// maxStatus keeps a message well below 4096 bytes: systemd ignores longer ones.
	maxStatus = 1024
)

// A Notifier reports the state of the service to systemd. A nil Notifier does nothing and returns no errors, so callers
// needn't check whether systemd is there.
//
// Its methods may be called from several goroutines at once. Each sends one message and returns when the message is in
// systemd's queue, or after at most one second if the queue is full. After an error systemd doesn't have the message, and
// nothing else has changed.
//
// systemd accepts messages only from the main process, unless NotifyAccess= says otherwise.
type Notifier struct {
	addr     *net.UnixAddr
	watchdog time.Duration // 0: none
	environ  []string
}

// NewNotifier reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, even when it
// returns an error. The Notifier is nil if systemd wants no notifications. NewNotifier doesn't block and sends nothing.
//
// It returns an error if one of the variables has a value that systemd would not set.
func NewNotifier() (*Notifier, error) {
	var environ []string
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, ok := os.LookupEnv(name); ok {
			environ = append(environ, name+"="+value)
		}
	}
	socket := os.Getenv("NOTIFY_SOCKET")
	if err := os.Unsetenv("NOTIFY_SOCKET"); err != nil {
		return nil, err
	}
	watchdog, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		return nil, fmt.Errorf("read WATCHDOG_USEC and WATCHDOG_PID: %w", err)
	}
	if socket == "" {
		return nil, nil
	}
	if !filepath.IsAbs(socket) && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q: want an absolute path, or @ followed by the name of an abstract socket", socket)
	}
	return &Notifier{addr: &net.UnixAddr{Net: "unixgram", Name: socket}, watchdog: watchdog, environ: environ}, nil
}

// Environ returns the variables that NewNotifier removed, as NAME=value. Give them to a program that replaces this process
// through exec: its NewNotifier then finds what this one found. They are not meant for child processes.
func (n *Notifier) Environ() []string {
	if n == nil {
		return nil
	}
	return slices.Clone(n.environ)
}

// Ready reports that the service is serving: after its start, and after Reloading. It also sets the status line unless
// status is "".
func (n *Notifier) Ready(status string) error {
	if status == "" {
		return n.send(daemon.SdNotifyReady)
	}
	return n.send(daemon.SdNotifyReady, statusLine(status))
}

// Reloading reports that the service is changing while it serves. Ready must follow, from this program or from the one that
// replaces it through exec.
func (n *Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	// By the time systemd recognizes the reload that it asked for: with Type=notify-reload it ignores messages without one.
	return n.send(daemon.SdNotifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping reports that the service is shutting down.
func (n *Notifier) Stopping() error { return n.send(daemon.SdNotifyStopping) }

// Status sets the line that `systemctl status` shows. Line breaks in text become spaces, and text beyond 1024 bytes is cut.
func (n *Notifier) Status(text string) error { return n.send(statusLine(text)) }

// MainPID reports that pid is now the service's main process. It must be one of the service's processes.
func (n *Notifier) MainPID(pid int) error { return n.send("MAINPID=" + strconv.Itoa(pid)) }

// WatchdogInterval returns how long systemd waits for a Ping before it ends the service, and reports whether it does so at
// all. Call Ping at half that interval.
func (n *Notifier) WatchdogInterval() (time.Duration, bool) {
	if n == nil || n.watchdog == 0 {
		return 0, false
	}
	return n.watchdog, true
}

// Ping reports that the service is alive.
func (n *Notifier) Ping() error { return n.send(daemon.SdNotifyWatchdog) }

// send sends one message. It connects each time, so that it finds systemd's socket even if systemd has created it anew.
func (n *Notifier) send(lines ...string) error {
	if n == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, n.addr)
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// statusLine returns the assignment that sets the status to text. A line break would begin another assignment, such as
// READY=1, and systemd ignores what isn't UTF-8.
func statusLine(text string) string {
	text = strings.NewReplacer("\n", " ", "\r", " ", "\x00", " ").Replace(text)
	return "STATUS=" + strings.ToValidUTF8(text[:min(len(text), maxStatus)], "")
}
