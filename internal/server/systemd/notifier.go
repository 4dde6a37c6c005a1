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
	// sendLimit is how long a message may wait for room in systemd's queue.
	sendLimit = time.Second
	// maxStatus keeps a message well below the 4096 bytes beyond which systemd drops it whole.
	maxStatus = 1024
)

// A Notifier tells systemd how the service is. A nil one does nothing and returns no error, so callers needn't ask whether there
// is a systemd.
//
// Its methods may be called from several goroutines at once. Each sends one message and returns when it is in systemd's queue; with
// the queue full that takes a second at most. On error systemd hasn't got the message, and nothing else has changed.
//
// systemd takes messages from the main process alone, unless NotifyAccess= says otherwise.
type Notifier struct {
	addr     *net.UnixAddr
	watchdog time.Duration // 0: none
	environ  []string
}

// NewNotifier reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, with an error too. The
// Notifier is nil if systemd wants no notifications. It doesn't block, and it sends nothing.
//
// An error says that one of the variables has a value that systemd wouldn't give it.
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
		return nil, fmt.Errorf("read the watchdog's variables: %w", err)
	}
	if socket == "" {
		return nil, nil
	}
	if !filepath.IsAbs(socket) && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q: want an absolute path, or @ and the name of an abstract socket", socket)
	}
	return &Notifier{addr: &net.UnixAddr{Net: "unixgram", Name: socket}, watchdog: watchdog, environ: environ}, nil
}

// Environ returns the variables that NewNotifier removed, as NAME=value, for a program that this process becomes through exec:
// its NewNotifier then finds what this one found. They are not for children.
func (n *Notifier) Environ() []string {
	if n == nil {
		return nil
	}
	return slices.Clone(n.environ)
}

// Ready says that the service serves: at its start, and after Reloading. A status that isn't "" is shown as Status would.
func (n *Notifier) Ready(status string) error {
	if status == "" {
		return n.send(daemon.SdNotifyReady)
	}
	return n.send(daemon.SdNotifyReady, statusLine(status))
}

// Reloading says that the service is changing itself while it serves. Ready must follow, from this program or from the one that
// it becomes.
func (n *Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	// systemd tells by the time whether this belongs to the reload that it asked for: Type=notify-reload ignores it without.
	return n.send(daemon.SdNotifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping says that the service has begun to end.
func (n *Notifier) Stopping() error { return n.send(daemon.SdNotifyStopping) }

// Status sets the line that `systemctl status` shows. Line breaks in it become spaces, and what is beyond 1024 bytes is cut.
func (n *Notifier) Status(text string) error { return n.send(statusLine(text)) }

// MainPID says that the service's main process is now pid, which must be one of the service's processes.
func (n *Notifier) MainPID(pid int) error { return n.send("MAINPID=" + strconv.Itoa(pid)) }

// WatchdogInterval returns how long systemd waits for a Ping before it ends the service, and whether it does so at all. Pings
// should come at half that interval.
func (n *Notifier) WatchdogInterval() (time.Duration, bool) {
	if n == nil || n.watchdog == 0 {
		return 0, false
	}
	return n.watchdog, true
}

// Ping says that the service is alive.
func (n *Notifier) Ping() error { return n.send(daemon.SdNotifyWatchdog) }

// send sends one message. It connects anew each time: so it finds systemd's socket again if that was made again.
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

// statusLine makes an assignment of text. A line break would begin another one, such as READY=1; and systemd drops what isn't
// UTF-8.
func statusLine(text string) string {
	text = strings.NewReplacer("\n", " ", "\r", " ", "\x00", " ").Replace(text)
	return "STATUS=" + strings.ToValidUTF8(text[:min(len(text), maxStatus)], "")
}
