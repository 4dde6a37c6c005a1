// Live keeps connections open for as long as its clients want.
//
//	GET /live/events?for=60s  sends numbered Server-Sent Events, ten a second, and at last one that says "end"
//	GET /live/socket          is a websocket that echoes short messages
//	GET /live                 says by which protocol the request came
package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return http.HandlerFunc(serve), nil },
}

func serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Worker", fmt.Sprint(os.Getpid()))
	switch {
	case strings.HasSuffix(r.URL.Path, "/events"):
		events(w, r)
	case strings.HasSuffix(r.URL.Path, "/socket"):
		socket(w, r)
	default:
		fmt.Fprintln(w, r.Proto, r.TLS != nil)
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	lasts, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(lasts)
	for n := 0; time.Now().Before(end); n++ {
		fmt.Fprintf(w, "data: %d\n\n", n)
		if control.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprint(w, "data: end\n\n")
}

// socket is a websocket (RFC 6455) for messages of up to 125 bytes in one frame each.
func socket(w http.ResponseWriter, r *http.Request) {
	conn, b, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nWorker: %d\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", os.Getpid(), base64.StdEncoding.EncodeToString(sum[:]))
	for {
		message, err := read(b.Reader)
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{0x81, byte(len(message))}, message...)); err != nil {
			return
		}
	}
}

// read reads a client's message, which is masked.
func read(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if head[0] != 0x81 || head[1]&0x80 == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, head[1]&0x7f)
	_, err := io.ReadFull(r, message)
	for i := range message {
		message[i] ^= head[2+i%4]
	}
	return message, err
}

func main() {}
