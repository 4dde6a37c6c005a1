package supervisor

// NotReady says why no requests should be sent to the server; empty if they should.
func (s *Supervisor) NotReady() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.wanted.Err() != nil:
		return "the server stops"
	case s.current == nil:
		return "no worker serves yet"
	}
	return ""
}

func (s *Supervisor) notify(err error) {
	if err != nil {
		s.log.Warn("notify systemd", "err", err)
	}
}
