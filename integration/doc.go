// Package integration holds the tests that run a real server as a child process, with real plugins, from outside: through
// its HTTP and control sockets, its files and its signals.
package integration
