package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/server/console"
	"github.com/sohost/sohost/internal/server/control"
)

// answerConsole begins to answer browsers until Run ends. As with metrics, a program that has replaced another one goes on without.
func (s *Supervisor) answerConsole() (end func(), err error) {
	if s.opts.Console == "" {
		return func() {}, nil
	}
	end, err = s.openConsole()
	if err != nil && s.resumed != nil {
		s.log.Error("there is no console", "address", s.opts.Console, "err", err)
		return func() {}, nil
	}
	return end, err
}

func (s *Supervisor) openConsole() (end func(), err error) {
	o := console.Options{Address: s.opts.Console, Control: control.NewHandler(s)}
	if file := s.opts.ConsoleToken; file != "" {
		if o.Token, err = console.ReadToken(file); err != nil {
			return nil, err
		}
	}
	server, err := console.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("console %s: %w", o.Address, err)
	}
	on, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the console: %w; name another address with --console", err)
	}
	s.tasks.Go(func() {
		// As for orders, each of which has a connection to the worker.
		if err := server.Serve(files.Listener(control.Limited(on), 4)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the console has ended", "err", err)
		}
	})
	url := "http://" + on.Addr().String() + "/"
	s.mu.Lock()
	s.console = url
	s.mu.Unlock()
	s.log.Info("console", "url", url)
	return func() { server.Close() }, nil
}

// CrashOutput returns what a worker has left that died, from one of the files that the status names.
func (s *Supervisor) CrashOutput(name string) ([]byte, error) {
	kept, err := keptFiles(s.crashFiles().Path(""))
	if err != nil {
		return nil, err
	}
	file := s.crashFiles().Path(name)
	if name != filepath.Base(name) || !slices.Contains(kept, file) {
		return nil, fmt.Errorf("no worker has left a file %q; the last %d are kept", name, keptCrashes)
	}
	return os.ReadFile(file)
}
