package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// exercise asks a server of its own, which knows one value.
func exercise(ctx context.Context) (string, error) {
	client := redis.NewClient(&redis.Options{Protocol: 2, DisableIdentity: true, Dialer: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go serve(theirs)
		return ours, nil
	}})
	defer client.Close()
	value, err := client.Get(ctx, "pear").Int64()
	if err != nil {
		return "", err
	}
	_, err = client.Get(ctx, "plum").Result()
	return fmt.Sprint(value, "; ", err, " ", err == redis.Nil), nil
}

func serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		var words []string
		for range n {
			var size int
			if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
				return
			}
			word := make([]byte, size+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			words = append(words, strings.ToLower(strings.TrimSpace(string(word))))
		}
		answer := "-ERR unknown command\r\n"
		switch strings.Join(words, " ") {
		case "get pear":
			answer = "$3\r\n150\r\n"
		case "get plum":
			answer = "$-1\r\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}
