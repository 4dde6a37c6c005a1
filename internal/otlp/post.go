package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// maxAnswer is how much of a collector's answer is read, in bytes.
const maxAnswer = 64 << 10

// tryLater is the error of an attempt that another one may mend, which the collector may want to be later than that.
type tryLater struct {
	error
	after time.Duration
}

// transport returns what connects to the collector.
func (s *Settings) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.IdleConnTimeout = 1, time.Minute
	config := &tls.Config{}
	if s.CA != "" {
		text, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("the collector's certificate: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("the collector's certificate: %s holds none", s.CA)
		}
	}
	if s.Certificate != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate for the collector: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	t.TLSClientConfig = config
	if _, err := t.Proxy(&http.Request{URL: s.Endpoint}); err != nil {
		return nil, fmt.Errorf("the proxy for the collector: %w", err)
	}
	return t, nil
}

// Check returns why NewExporter would fail.
func (s *Settings) Check() error {
	_, err := s.transport()
	return err
}

// Shown returns the endpoint without what may be secret.
func (s *Settings) Shown() string {
	return (&url.URL{Scheme: s.Endpoint.Scheme, Host: s.Endpoint.Host, Path: s.Endpoint.Path}).String()
}

// post makes one attempt. It returns how many of the spans the collector has refused.
func (x *Exporter) post(body []byte) (refused uint64, err error) {
	ctx, cancel := context.WithTimeout(x.ctx, x.settings.Timeout)
	defer cancel()
	sent := body
	if x.settings.Gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(body) // a Buffer takes all
		z.Close()
		sent = b.Bytes()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.settings.Endpoint.String(), bytes.NewReader(sent))
	if err != nil {
		return 0, err
	}
	req.Header = x.settings.Header.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "sohost/"+x.version)
	if x.settings.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if u := x.settings.Endpoint.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	resp, err := x.transport.RoundTrip(req) // follows no redirect: most of them make a GET of a POST
	if err != nil {
		if ctx.Err() != nil && x.ctx.Err() == nil {
			err = fmt.Errorf("no answer within %v", x.settings.Timeout)
		}
		return 0, &tryLater{error: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code < 300 && err != nil:
		return 0, &tryLater{error: fmt.Errorf("read the answer: %w", err)}
	case code < 300:
		n, said := rejected(answer)
		if n > 0 {
			x.log.Warn("spans: the collector has refused some", "spans", n, "why", said)
		}
		return n, nil
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return 0, &tryLater{fmt.Errorf("it answers %s", resp.Status), retryAfter(resp.Header.Get("Retry-After"))}
	}
	return 0, fmt.Errorf("it answers %s, and these spans are lost", resp.Status)
}

// retryAfter reads a Retry-After: seconds, or a date.
func retryAfter(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), int(longestPause/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
