package supervisor

import (
	"errors"

	"github.com/sohost/sohost/internal/server/console"
	"github.com/sohost/sohost/internal/server/control"
)

// openEndpoints opens what a configuration has the supervisor itself answer at, if that isn't open yet.
func (o *opening) openEndpoints() error {
	s := o.s
	s.mu.Lock()
	now := s.endpoints
	s.mu.Unlock()
	var err error
	if path := o.own.ControlPath; path != s.own.Load().ControlPath {
		on, listenErr := control.Listen(path)
		if err = listenErr; err == nil {
			o.endpoints.orders, o.ends.orders = s.newOrders(on, path), now.orders
		}
	}
	return errors.Join(err, o.openMonitoring())
}

// openMonitoring does that for metrics and the console. After an upgrade, requests are worth more than these: what has no address then
// is only logged, and tried again with the next reload.
func (o *opening) openMonitoring() error {
	s := o.s
	s.mu.Lock()
	now := s.endpoints
	s.mu.Unlock()
	was := *s.own.Load()
	var metricsErr, consoleErr error
	if e := now.metrics; e == nil && o.own.Metrics != "" || e != nil && (e.address != o.own.Metrics || e.profile != o.own.Profiles) {
		o.ends.metrics = e
		if o.own.Metrics != "" {
			o.endpoints.metrics, metricsErr = s.openMetrics(o.own.Metrics, o.own.Profiles, e)
		}
	}
	token, consoleErr := o.own.token()
	if e := now.console; consoleErr == nil && (e == nil && o.own.Console != "" || e != nil && (e.address != o.own.Console || e.token != token)) {
		o.ends.console = e
		if o.own.Console != "" {
			o.endpoints.console, consoleErr = s.openConsole(o.own.Console, token, e)
		}
	}
	unless := func(same bool, err error) error {
		if err == nil || s.resumed == nil || !same {
			return err
		}
		s.log.Error("all but this goes on", "err", err)
		return nil
	}
	return errors.Join(unless(was.Metrics == o.own.Metrics, metricsErr), unless(was.Console == o.own.Console, consoleErr))
}

// token reads the console's token; "" if there is none.
func (o Own) token() (string, error) {
	if o.Console == "" || o.ConsoleToken == "" {
		return "", nil
	}
	return console.ReadToken(o.ConsoleToken)
}

// changeLocked makes what was opened of the endpoints the supervisor's; s.mu is held.
func (o *opening) changeLocked() {
	is := &o.s.endpoints
	for _, one := range []struct{ is, opened, ends **endpoint }{
		{&is.orders, &o.endpoints.orders, &o.ends.orders},
		{&is.metrics, &o.endpoints.metrics, &o.ends.metrics},
		{&is.console, &o.endpoints.console, &o.ends.console},
	} {
		if *one.ends != nil || *one.opened != nil {
			*one.is = *one.opened
		}
		if *one.opened != nil {
			o.s.answerLocked(*one.opened)
		}
	}
}

// differs reports whether the supervisor itself has anything to change.
func (o *opening) differs() bool {
	return o.own != *o.s.own.Load() || len(o.endpoints.all())+len(o.ends.all()) > 0
}
