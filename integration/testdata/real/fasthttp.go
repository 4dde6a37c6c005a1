package main

import (
	"context"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

// exercise asks a server of its own.
func exercise(context.Context) (string, error) {
	listener := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{Handler: fasthttp.CompressHandler(func(c *fasthttp.RequestCtx) {
		fmt.Fprintf(c, "%s %s %s", c.Method(), c.Path(), c.QueryArgs().Peek("name"))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client := &fasthttp.Client{Dial: func(string) (net.Conn, error) { return listener.Dial() }}
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI("http://shop/prices?name=pear")
	request.Header.Set("Accept-Encoding", "br")
	if err := client.Do(request, response); err != nil {
		return "", err
	}
	body, err := response.BodyUncompressed()
	if err != nil {
		return "", err
	}
	client.CloseIdleConnections()
	if err := server.Shutdown(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", response.StatusCode(), body), <-served
}
