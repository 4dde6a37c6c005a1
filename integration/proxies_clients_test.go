package integration

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client returns a client of a proxy, by HTTP/2.
func (p *proxies) client() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// count has a request counted after the other until ctx ends, and returns how many were answered.
func (p *proxies) count(ctx context.Context, way string) (n int, err error) {
	client := p.client()
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		// POST, which nobody repeats.
		resp, err := client.Post("https://"+p.Ports[way]+"/counter", "text/plain", nil)
		if err != nil {
			return n, err
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return n, fmt.Errorf("%s: %s, %v", resp.Status, b, err)
		}
		n++
		time.Sleep(*steady)
	}
	return n, nil
}

// events reads a stream of Server-Sent Events to its end.
func (p *proxies) events(way string, opened chan<- error) error {
	client := p.client()
	defer client.CloseIdleConnections()
	resp, err := client.Get(fmt.Sprintf("https://%s/live/events?for=%v", p.Ports[way], *proxiesLast))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	opened <- err
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for n := 0; lines.Scan(); {
		switch data := strings.TrimPrefix(lines.Text(), "data: "); data {
		case "":
		case "end":
			if least := int(*proxiesLast/time.Second) * 5; n < least { // at half the pace
				return fmt.Errorf("only %d events", n)
			}
			return nil
		case fmt.Sprint(n):
			n++
		default:
			return fmt.Errorf("event %s follows %d", data, n-1)
		}
	}
	return fmt.Errorf("cut off: %v", lines.Err())
}

// socket has messages echoed by a websocket.
func (p *proxies) socket(way string, opened chan<- error) error {
	c, err := tls.Dial("tcp", p.Ports[way], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		opened <- err
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(*proxiesLast + patience))
	io.WriteString(c, "GET /live/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	opened <- err
	if err != nil {
		return err
	}
	for n, end := 0, time.Now().Add(*proxiesLast); time.Now().Before(end); n++ {
		message := fmt.Sprint(n)
		c.Write(append([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...)) // masked by zeros
		echo := make([]byte, 2+len(message))
		if _, err := io.ReadFull(r, echo); err != nil {
			return fmt.Errorf("cut off after %d messages: %w", n, err)
		}
		if string(echo[2:]) != message {
			return fmt.Errorf("message %s is echoed as %q", message, echo)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}
