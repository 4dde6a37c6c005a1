package supervisor

import (
	"os"
	"time"

	"github.com/sohost/sohost/generations"
	"golang.org/x/sys/unix"
)

// delayStop calls stop once the stop delay is over. Meanwhile the server serves, and says that it isn't ready, so that what sends it
// requests sends them elsewhere. One that doesn't serve yet stops at once.
func (s *Supervisor) delayStop(stop func()) {
	s.happened(generations.KindStop, "")
	delay := s.start.Load().StopDelay
	s.mu.Lock()
	serves := s.current != nil
	s.mu.Unlock()
	if delay > 0 && serves {
		s.log.Info("the server isn't ready any more, and stops after a delay", "stop_delay", delay)
		select {
		case <-time.After(delay):
		case <-s.stopped: // it has ended by itself
		}
	}
	stop()
}

// stopListening has the kernel refuse new connections, whichever processes have the sockets open. It waits until a worker has
// accepted those that were made before; what no worker accepts within limits.backlog is reset. It does nothing with sockets that
// stay, nor a second time.
func (s *Supervisor) stopListening() {
	s.refusing.Lock()
	defer s.refusing.Unlock()
	s.refuses = true
	for _, on := range s.listening() {
		if _, is := s.refused[on.file]; !is && !on.Stays {
			s.refused[on.file] = struct{}{}
			s.shut(on)
		}
	}
}

// shut does that with one socket.
func (s *Supervisor) shut(on socket) {
	if on.Addr().Network() == "tcp" {
		// With the socket shut, the kernel resets what is in its backlog. So no connection may be added to that from now on: whoever
		// tries meanwhile tries again a second later, and is refused.
		if err := ignoreSYN(on.file); err != nil {
			s.log.Debug("stop listening: connections made in this moment may be reset", "err", err)
		}
		for deadline := time.Now().Add(s.limits.backlog); backlog(on.file) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // nothing can be waited for
		}
	} // of a unix socket that is shut, the backlog can still be accepted
	// This is the end of listening, in all processes; connections that were accepted aren't concerned.
	if err := withDescriptor(on.file, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RD) }); err != nil {
		s.log.Warn("stop listening: new connections wait until the workers have ended", "listener", on.Name, "err", err)
	}
}

// ignoreSYN makes the kernel ignore whoever asks a listening TCP socket for a connection.
func ignoreSYN(f *os.File) error {
	const flags, syn = 13, 0x02 // in a TCP header
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},          // drop it
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff}, // take all of it
	}
	return withDescriptor(f, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
			Len: uint16(len(program)), Filter: &program[0],
		})
	})
}

// backlog returns how many connections of a listening TCP socket wait to be accepted; 0 if the kernel doesn't say.
func backlog(f *os.File) (n uint32) {
	withDescriptor(f, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			n = info.Unacked // which means that, if the socket listens
		}
		return err
	})
	return n
}

// withDescriptor calls do with the file's descriptor. File.Fd would make it blocking for all processes that share it.
func withDescriptor(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}
