package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sohost/sohost"
)

// requests has handlers that panic, take the connection over, stream, and are asked for what they don't have. No lease may
// be left over, which a retirement shows.
func requests(s *scenario) {
	s.open(-1)
	server := httptest.NewServer(s.Host)
	defer server.Close()
	get := func(path string) (*http.Response, string, error) {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp, string(b), err
	}
	for _, path := range []string{"/a?do=panic", "/a?do=abort"} {
		_, _, err := get(path)
		s.check(err != nil, "%s is answered", path)
	}
	resp, body, err := get("/nowhere")
	s.must(err)
	s.check(resp.StatusCode == http.StatusNotFound, "/nowhere answers %s %q", resp.Status, body)
	resp, err = http.Head(server.URL + "/a")
	s.must(err)
	generation := resp.Header.Get(sohost.GenerationHeader)
	s.check(resp.StatusCode == http.StatusOK && strings.HasPrefix(generation, s.short(0)), "HEAD: %s by %s", resp.Status, generation)
	_, body, err = get("/a?do=hijack")
	s.check(err != nil, "a hijacked connection answers %q", body)

	// A stream keeps its generation, and lets it go when the client does.
	ctx, hangUp := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/a?do=wait", nil)
	s.must(err)
	stream, err := http.DefaultClient.Do(req)
	s.must(err)
	impatient, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	_, err = s.Deploy(impatient, map[string]string{"a": s.images[1]})
	cancel()
	s.check(err != nil && s.serving("a") == 0, "deployed under a call: %v", err)
	hangUp()
	stream.Body.Close()
	_, err = s.deploy(map[string]string{"a": s.images[1]})
	s.must(err)
	s.await("the retirement", func() bool { return len(s.Status().Plugins[0].Generations) == 1 })
	resp, _, err = get("/a/below")
	s.must(err)
	generation = resp.Header.Get(sohost.GenerationHeader)
	s.check(strings.HasPrefix(generation, s.short(1)), "answered by %s", generation)
	s.must(s.Close(context.Background()))
	resp, _, err = get("/a")
	s.must(err)
	s.check(resp.StatusCode == http.StatusServiceUnavailable, "after Close /a answers %s", resp.Status)
}
