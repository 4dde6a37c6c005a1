// Package rpc carries a Counter to another process, with hashicorp/go-plugin.
package rpc

import (
	"fmt"
	"io"
	"net/rpc"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// A Counter is what is called.
type Counter interface {
	Next(n int) int
	Count(text string) int
	Version() int
}

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH", MagicCookieValue: "counter"}

// Serve is all of a plugin's process.
func Serve(c Counter, overGRPC bool) {
	config := &plugin.ServeConfig{HandshakeConfig: handshake, Plugins: pluginSet(c, overGRPC), Logger: hclog.NewNullLogger()}
	if overGRPC {
		config.GRPCServer = plugin.DefaultGRPCServer
	}
	plugin.Serve(config)
}

func pluginSet(c Counter, overGRPC bool) plugin.PluginSet {
	if overGRPC {
		return plugin.PluginSet{"counter": grpcPlugin{counter: c}}
	}
	return plugin.PluginSet{"counter": netPlugin{c}}
}

// Start starts the program of a plugin and connects to it. Stop ends it.
func Start(file string, overGRPC bool) (c Counter, stop func(), err error) {
	allowed := plugin.ProtocolNetRPC
	if overGRPC {
		allowed = plugin.ProtocolGRPC
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Cmd:              exec.Command(file),
		Plugins:          pluginSet(nil, overGRPC),
		AllowedProtocols: []plugin.Protocol{allowed},
		Logger:           hclog.NewNullLogger(),
		Stderr:           io.Discard,
	})
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, nil, fmt.Errorf("start %s: %w", file, err)
	}
	raw, err := protocol.Dispense("counter")
	if err != nil {
		client.Kill()
		return nil, nil, fmt.Errorf("connect to %s: %w", file, err)
	}
	return raw.(Counter), client.Kill, nil
}

// netPlugin is the plugin by net/rpc.
type netPlugin struct{ counter Counter }

func (p netPlugin) Server(*plugin.MuxBroker) (any, error)                { return &server{p.counter}, nil }
func (netPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) { return client{c}, nil }

// server answers in the plugin's process. net/rpc fixes how its methods look.
type server struct{ counter Counter }

func (s *server) Next(n int, answer *int) error        { *answer = s.counter.Next(n); return nil }
func (s *server) Count(text string, answer *int) error { *answer = s.counter.Count(text); return nil }
func (s *server) Version(_ int, answer *int) error     { *answer = s.counter.Version(); return nil }

// client asks in the host's process. It answers -1 if it can't, which no plugin does.
type client struct{ client *rpc.Client }

func (c client) Next(n int) int        { return c.ask("Next", n) }
func (c client) Count(text string) int { return c.ask("Count", text) }
func (c client) Version() int          { return c.ask("Version", 0) }

func (c client) ask(method string, what any) (answer int) {
	if err := c.client.Call("Plugin."+method, what, &answer); err != nil {
		return -1
	}
	return answer
}
