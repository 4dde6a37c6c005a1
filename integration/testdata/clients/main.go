// Clients writes points with InfluxData's clients for InfluxDB 2 and 3, for some seconds, to the server at a URL. It prints a line for each
// client: the table, how many points it has written, and their sum.
//
//	clients URL SECONDS
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/InfluxCommunity/influxdb3-go/v2/influxdb3"
	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	lasts := time.Duration(seconds) * time.Second
	results := make(chan error)
	go func() { results <- version2(ctx, args[0], lasts) }()
	go func() { results <- version3(ctx, args[0], lasts) }()
	for range 2 {
		if one := <-results; one != nil {
			err = one
		}
	}
	return err
}

// writing has one point after the other written, each until that succeeds.
func writing(table string, lasts time.Duration, write func(busy int64, at time.Time) error) error {
	var points, sum, again int64
	for begun := time.Now(); time.Since(begun) < lasts; points++ {
		at := time.Now()
		for err := write(points, at); err != nil; err = write(points, at) {
			if again++; time.Since(at) > time.Minute {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
		sum += points
	}
	fmt.Println(table, points, sum, again)
	return nil
}

func version2(ctx context.Context, url string, lasts time.Duration) error {
	c := influxdb2.NewClientWithOptions(url, "token", influxdb2.DefaultOptions().SetUseGZip(true))
	defer c.Close()
	api := c.WriteAPIBlocking("org", "bucket")
	return writing("client2", lasts, func(busy int64, at time.Time) error {
		return api.WritePoint(ctx, influxdb2.NewPoint("client2", map[string]string{"host": "a"}, map[string]any{"busy": busy}, at))
	})
}

func version3(ctx context.Context, url string, lasts time.Duration) error {
	c, err := influxdb3.New(influxdb3.ClientConfig{Host: url, Token: "token", Database: "db"})
	if err != nil {
		return err
	}
	defer c.Close()
	return writing("client3", lasts, func(busy int64, at time.Time) error {
		p := influxdb3.NewPoint("client3", map[string]string{"host": "a"}, map[string]any{"busy": busy}, at)
		return c.WritePoints(ctx, []*influxdb3.Point{p})
	})
}
