package rpc

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// grpcPlugin is the plugin by gRPC. Its messages are those that protobuf has for single values, so none is generated.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	counter Counter
}

func (p grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&service, p.counter)
	return nil
}

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return grpcClient{c}, nil
}

const serviceName = "bench.Counter"

var service = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*Counter)(nil),
	Methods: []grpc.MethodDesc{
		method("Next", func(c Counter, n *wrapperspb.Int64Value) int { return c.Next(int(n.Value)) }),
		method("Count", func(c Counter, text *wrapperspb.StringValue) int { return c.Count(text.Value) }),
		method("Version", func(c Counter, _ *wrapperspb.Int64Value) int { return c.Version() }),
	},
}

func method[T any, P interface {
	*T
	proto.Message
}](name string, answer func(Counter, P) int) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := P(new(T))
			if err := decode(in); err != nil {
				return nil, err
			}
			return wrapperspb.Int64(int64(answer(srv.(Counter), in))), nil
		},
	}
}

// grpcClient asks in the host's process. It answers -1 if it can't, which no plugin does.
type grpcClient struct{ conn *grpc.ClientConn }

func (c grpcClient) Next(n int) int        { return c.ask("Next", wrapperspb.Int64(int64(n))) }
func (c grpcClient) Count(text string) int { return c.ask("Count", wrapperspb.String(text)) }
func (c grpcClient) Version() int          { return c.ask("Version", wrapperspb.Int64(0)) }

func (c grpcClient) ask(method string, what proto.Message) int {
	var answer wrapperspb.Int64Value
	if err := c.conn.Invoke(context.Background(), "/"+serviceName+"/"+method, what, &answer); err != nil {
		return -1
	}
	return int(answer.Value)
}
