// Stream echoes lines, each as soon as it comes, with the ID of the process that it runs in.
//
//	POST /stream           reads lines from the body and answers them: an upload and a download, or server-sent events
//	GET  /stream, Upgrade  takes the connection over and does the same, as a websocket does
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return http.HandlerFunc(serve), nil },
}

func serve(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if r.Header.Get("Upgrade") != "" {
		conn, b, err := control.Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		echo(conn, b.Reader, func() error { return nil })
		return
	}
	control.EnableFullDuplex()
	w.WriteHeader(http.StatusOK)
	control.Flush()
	echo(w, bufio.NewReader(r.Body), control.Flush)
}

func echo(w io.Writer, r *bufio.Reader, flush func() error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintf(w, "%d %s", os.Getpid(), line)
		if flush() != nil {
			return
		}
	}
}

func main() {}
