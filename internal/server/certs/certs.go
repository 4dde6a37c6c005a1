// Package certs reads the certificates of a server from their files, and again when these change.
package certs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/sohost/sohost/internal/regular"
)

// Files names the files of a certificate, in PEM: the certificate with those between it and its root, and its key.
type Files struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Pair is what the files hold. It is secret.
type Pair struct {
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key"`
}

// Read reads a pair and checks that they belong together.
func (f Files) Read() (p Pair, err error) {
	if p.Certificate, err = regular.Read(f.Certificate); err != nil {
		return Pair{}, fmt.Errorf("certificate: %w", err)
	}
	if p.Key, err = regular.Read(f.Key); err != nil {
		return Pair{}, fmt.Errorf("key of the certificate: %w", err)
	}
	if _, err := p.Load(); err != nil {
		return Pair{}, fmt.Errorf("certificate %s with the key %s: %w", f.Certificate, f.Key, err)
	}
	return p, nil
}

// Load returns the pair as package tls wants it, with Leaf set.
func (p Pair) Load() (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// Until returns when the certificate expires.
func (p Pair) Until() time.Time {
	c, err := p.Load()
	if err != nil {
		return time.Time{}
	}
	return c.Leaf.NotAfter
}

// Equal reports whether two pairs are the same.
func (p Pair) Equal(q Pair) bool {
	return bytes.Equal(p.Certificate, q.Certificate) && bytes.Equal(p.Key, q.Key)
}

// String says nothing of the key.
func (p Pair) String() string { return "a certificate with its key" }
