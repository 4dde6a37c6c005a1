package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// ConnectControl opens a connection to the worker's control server.
func (p *process) ConnectControl() (net.Conn, error) { return worker.ConnectControl(p.link) }

// statusTimeout bounds how long workers may take to say what they serve. Beyond it the status leaves that out.
const statusTimeout = 5 * time.Second

// Status describes what the server serves, and by which processes. A brief one is without memory.
func (s *Supervisor) Status(ctx context.Context, brief bool) control.Status {
	limit, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	for {
		status, current, changed := s.processes(brief)
		if current == nil {
			status.Unknown = "no worker serves yet"
			return status
		}
		host, err := s.ask(limit, current, brief)
		if err == nil {
			status.Status, status.Sinks, status.Backlog = host.Status, host.Sinks, host.Backlog
			for i := range status.Listeners {
				status.Listeners[i].Refused = host.Refused[status.Listeners[i].Name]
			}
			return status
		}
		if errors.Is(err, sohost.ErrHandedOver) { // the new worker serves in a moment
			select {
			case <-changed:
				continue
			case <-limit.Done():
			}
		}
		s.log.Warn("ask the worker for its status", "pid", current.pid, "err", err)
		status.Unknown = fmt.Sprintf("the worker doesn't answer: %v", err)
		return status
	}
}

// processes returns the status without what the worker has to say, the worker to ask, and a channel that is closed when that is
// no longer the one.
func (s *Supervisor) processes(brief bool) (status control.Status, current *process, changed <-chan struct{}) {
	s.mu.Lock()
	current, changed = s.current, s.changed
	status = control.Status{
		PID: os.Getpid(), Started: s.started, Handover: s.last, Failed: s.failure, Crashes: slices.Clone(s.crashes),
		StoreFault: s.storeFault, Program: s.workerProgram, FailedProgram: s.failedProgram,
		Config: s.config, Hooks: s.hooks.Status(), Spans: s.spanStatus(), FailedBuilds: s.failedBuildsLocked(), Console: s.endpoints.url(),
	}
	draining := s.drainingLocked()
	status.Listeners = s.listenersLocked()
	if s.starting != nil {
		status.Booting = s.starting.booting.Load()
	}
	s.mu.Unlock()
	status.Store, status.Plugins = s.start.Load().Options.Store, []sohost.PluginStatus{}
	measure, count := resident, files.Of
	if brief {
		measure, count = func(int) int64 { return 0 }, func(int) (none files.Usage) { return none }
	}
	describe := func(p *process) control.WorkerStatus {
		w := control.WorkerStatus{PID: p.pid, Started: p.started, Memory: measure(p.pid), Files: count(p.pid)}
		status.Memory += w.Memory
		return w
	}
	status.SupervisorMemory = measure(status.PID)
	status.Memory, status.SupervisorFiles = status.SupervisorMemory, count(0)
	if current != nil {
		w := describe(current)
		status.Worker = &w
	}
	for _, d := range draining {
		status.Draining = append(status.Draining, d.lingering(describe(d)))
	}
	return status, current, changed
}

// lingering adds to the status of a worker what it has left.
func (p *process) lingering(w control.WorkerStatus) control.WorkerStatus {
	w.Connections, w.Release = int(p.left.Load()), p.release()
	if !p.since.IsZero() {
		until := p.since.Add(p.lasts)
		w.Since, w.Until = &p.since, &until
	}
	return w
}

// listenersLocked describes the listening sockets; s.mu is held.
func (s *Supervisor) listenersLocked() (all []control.ListenerStatus) {
	for i, l := range s.servedLocked() {
		status := control.ListenerStatus{Name: l.Name, Address: s.sockets[i].Addr().String(), H2C: l.H2C}
		if l.Pair != nil {
			status.Certificate = &control.CertificateStatus{File: l.Files.Certificate, Until: l.Pair.Until()}
			if failed, is := s.pairs.bad[l.Files]; is {
				status.Certificate.Failed = &failed
			}
		}
		all = append(all, status)
	}
	return all
}

// ask asks a worker what it serves.
func (s *Supervisor) ask(ctx context.Context, p *process, brief bool) (status control.WorkerAnswer, err error) {
	uri := "/v1/status"
	if brief {
		uri += "?brief=true"
	}
	resp, err := control.Ask(ctx, p, http.MethodGet, uri, nil)
	if err != nil {
		return status, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return status, err
	}
	s.room.make(len(b))
	return status, json.Unmarshal(b, &status)
}
