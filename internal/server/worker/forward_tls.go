package worker

import (
	"crypto/tls"
	"encoding/json"
)

// clientTLS is what a plugin may want to know of the TLS of a request that was forwarded. Certificates of clients aren't asked for.
type clientTLS struct {
	Version, CipherSuite uint16
	ServerName, Protocol string
}

func sayTLS(s *tls.ConnectionState) string {
	b, _ := json.Marshal(clientTLS{s.Version, s.CipherSuite, s.ServerName, s.NegotiatedProtocol}) // texts and numbers
	return string(b)
}

// heardTLS returns what sayTLS has said; nil for a client that doesn't talk TLS.
func heardTLS(said string) *tls.ConnectionState {
	var c clientTLS
	if json.Unmarshal([]byte(said), &c) != nil {
		return nil
	}
	return &tls.ConnectionState{
		Version: c.Version, CipherSuite: c.CipherSuite, ServerName: c.ServerName, NegotiatedProtocol: c.Protocol, HandshakeComplete: true,
	}
}
