package program

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Server starts `sohost run` with a configuration, in a folder. The errors that it logs are printed.
func Server(sohost, folder, configuration string, env ...string) (*Program, error) {
	file, err := written(folder, "sohost.toml", configuration)
	if err != nil {
		return nil, err
	}
	return Start(Serving, env, sohost, "run", "--config", file, "--log-format", "json")
}

// Serving returns the URL that a line of a log in JSON says is served. It prints errors.
func Serving(line string) (url string) {
	var l struct{ Level, Msg, URL, Err string }
	if json.Unmarshal([]byte(line), &l) != nil {
		return ""
	}
	if l.Level == "ERROR" {
		fmt.Fprintln(os.Stderr, "the server logs:", l.Msg, l.Err)
	}
	if l.Msg == "serving" {
		return l.URL
	}
	return ""
}

// Telegraf starts Telegraf with a configuration, in a folder, which has an input http_listener_v2. It serves where that listens. The errors
// that it logs are printed.
func Telegraf(telegraf, folder, configuration string, env ...string) (*Program, error) {
	file, err := written(folder, "telegraf.conf", configuration)
	if err != nil {
		return nil, err
	}
	return Start(listening, env, telegraf, "--config", file, "--non-strict-env-handling")
}

func listening(line string) (url string) {
	if strings.Contains(line, " E! ") {
		fmt.Fprintln(os.Stderr, "Telegraf logs:", line)
	}
	if _, address, found := strings.Cut(line, "[inputs.http_listener_v2] Listening on "); found {
		return "http://" + address
	}
	return ""
}

func written(folder, name, text string) (file string, err error) {
	file = filepath.Join(folder, name)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

var client = &http.Client{Timeout: 20 * time.Second}

// Write writes points, as line protocol. The error has the answer unless that is 204.
func Write(url string, points []byte) error {
	answer, err := client.Post(url, "text/plain", bytes.NewReader(points))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}

// FreeAddress returns an address on this machine on which nobody listens, for a program that can't choose one itself. Another may come first.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
