// Package systemd is the server's side of socket activation and of the notification protocol. It takes what the service
// manager put into the environment and removes it from there, so that child processes don't mistake it for theirs.
//
// It sends systemd no requests and never waits for an answer. Without systemd there are no sockets and the Notifier is nil;
// its methods can be called all the same.
//
// The protocols are those of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3). github.com/coreos/go-systemd reads
// the variables of the watchdog. The descriptors are taken by this package, because go-systemd believes any number of them to be
// open and what they are to be systemd's. Messages are sent by it, too: go-systemd reads the socket's name from the environment
// for each message, so the variable would have to stay there, and it sets no limit on how long a message may block.
package systemd
