// Package certstest makes certificates for tests.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/certs"
)

// New returns a new certificate for 127.0.0.1 that signs itself, and expires after the duration.
func New(t testing.TB, lasts time.Duration) certs.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "sohost"}, IPAddresses: []net.IP{{127, 0, 0, 1}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lasts),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certs.Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// Write replaces the files of a pair, one after the other.
func Write(t testing.TB, to certs.Files, p certs.Pair) {
	t.Helper()
	replace := func(file string, b []byte) error {
		err := os.WriteFile(file+".new", b, 0o600)
		return errors.Join(err, os.Rename(file+".new", file))
	}
	if err := errors.Join(replace(to.Certificate, p.Certificate), replace(to.Key, p.Key)); err != nil {
		t.Fatal(err)
	}
}
