package main

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// Messages and metrics enter their names into registries of packages that another version of grpc may have in common with this one. A
// metric that is there ends the process. The registries have to be new with what is in them.
//
//sohost:fresh google.golang.org/protobuf/... google.golang.org/grpc/...

// exercise asks a server of its own.
func exercise(ctx context.Context) (string, error) {
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	states := health.NewServer()
	states.SetServingStatus("shop", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, states)
	go server.Serve(listener)
	defer server.Stop()
	conn, err := grpc.NewClient("passthrough:///shop", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "shop"})
	if err != nil {
		return "", err
	}
	_, err = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "bank"})
	if status.Code(err) != codes.NotFound {
		return "", fmt.Errorf("got %v", err)
	}
	return fmt.Sprint(answer.GetStatus(), "; ", err), nil
}
