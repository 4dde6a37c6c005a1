package supervisor

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// ConnectControl makes a connection to the worker's control server.
func (p *process) ConnectControl() (net.Conn, error) { return worker.ConnectControl(p.link) }

// statusTimeout is how long a worker may take to tell what it serves, until the status says the rest without it.
const statusTimeout = 5 * time.Second

// Status tells what the server serves, and by which processes.
func (s *Supervisor) Status(ctx context.Context) control.Status {
	s.mu.Lock()
	status := control.Status{
		PID: os.Getpid(), Started: s.started, Handover: s.last, Failed: s.failure, Crashes: slices.Clone(s.crashes),
	}
	current := s.current
	for p := range s.draining {
		status.Draining = append(status.Draining, p.status())
	}
	s.mu.Unlock()
	status.Store, status.Plugins = s.opts.Start.Options.Store, []sohost.PluginStatus{}
	if current != nil {
		w := current.status()
		status.Worker = &w
		if host, err := current.host(ctx); err == nil {
			status.Status = host
		} else {
			s.log.Warn("ask the worker for its status", "err", err)
		}
	}
	status.SupervisorMemory = resident(status.PID)
	status.Memory = status.SupervisorMemory
	if status.Worker != nil {
		status.Memory += status.Worker.Memory
	}
	for _, d := range status.Draining {
		status.Memory += d.Memory
	}
	return status
}

func (p *process) status() control.WorkerStatus {
	return control.WorkerStatus{PID: p.pid, Started: p.started, Memory: resident(p.pid)}
}

// host asks the worker what its Host serves.
func (p *process) host(ctx context.Context) (status sohost.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	resp, err := control.Ask(ctx, p, http.MethodGet, "/v1/status", nil)
	if err != nil {
		return status, err
	}
	defer resp.Body.Close()
	return status, json.NewDecoder(resp.Body).Decode(&status)
}
