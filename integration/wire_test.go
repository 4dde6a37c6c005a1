package integration

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// wire is an http.RoundTripper with one connection, which sends every request once. net/http's own sends a request again
// when a connection turns out to be closed, so that nobody would see what a server has cut off.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.conn == nil {
		conn, err := net.Dial("tcp", req.URL.Host)
		if err != nil {
			return nil, err
		}
		w.conn, w.r = conn, bufio.NewReader(conn)
	}
	resp, err := w.exchange(req)
	if err != nil {
		w.CloseIdleConnections()
		return nil, err
	}
	resp.Body = &wireBody{resp.Body, w, resp.Close}
	return resp, nil
}

func (w *wire) exchange(req *http.Request) (*http.Response, error) {
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := req.Write(w.conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(w.r, req)
}

// CloseIdleConnections is for http.Client's.
func (w *wire) CloseIdleConnections() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// wireBody is the body of a response, which the caller reads before the next request.
type wireBody struct {
	io.ReadCloser
	w    *wire
	last bool // the server has said that it closes the connection
}

func (b *wireBody) Close() error {
	err := b.ReadCloser.Close()
	if b.last {
		b.w.CloseIdleConnections()
	}
	return err
}
