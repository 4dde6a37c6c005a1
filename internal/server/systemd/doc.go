// Package systemd is the server's side of socket activation and of the notification protocol: it takes over what the service
// manager put into the environment, and removes it from there, so that no child takes the same for its own.
//
// It asks systemd for nothing and never waits for an answer. Without systemd there are no sockets and a nil Notifier, which can be
// called all the same.
//
// The protocols are those of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3). Variables and descriptors are read by
// github.com/coreos/go-systemd. Messages are sent from here, because that module looks the socket up in the environment each
// time, which would have to keep it, and sets no limit to how long it waits.
package systemd
