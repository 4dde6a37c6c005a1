package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

type row struct {
	Name  string
	Price pgtype.Numeric
	Since time.Time
}

// exercise asks a database of its own, which knows one answer.
func exercise(ctx context.Context) (string, error) {
	config, err := pgx.ParseConfig("postgres://somebody@nowhere/shop?sslmode=disable")
	if err != nil {
		return "", err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	served := make(chan error, 1)
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { served <- database(theirs) }()
		return ours, nil
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	rows, err := conn.Query(ctx, "select * from prices where name = $1", "pear")
	if err != nil {
		return "", err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return "", err
	}
	price, err := all[0].Price.Float64Value()
	if err != nil {
		return "", err
	}
	if err := conn.Close(ctx); err != nil {
		return "", err
	}
	return fmt.Sprint(all[0].Name, " ", price.Float64, " ", all[0].Since.UTC().Format(time.RFC3339)), <-served
}

func database(conn net.Conn) error {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return err
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	b.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for {
		if err := b.Flush(); err != nil {
			return err
		}
		m, err := b.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
				{Name: []byte("name"), DataTypeOID: pgtype.TextOID},
				{Name: []byte("price"), DataTypeOID: pgtype.NumericOID},
				{Name: []byte("since"), DataTypeOID: pgtype.TimestamptzOID},
			}})
			b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("pear"), []byte("12.75"), []byte("2024-02-29 12:30:00+00")}})
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return nil
		default:
			return fmt.Errorf("unexpected %T", m)
		}
	}
}
