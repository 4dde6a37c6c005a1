// Package driver is a driver for database/sql that knows one answer. It registers itself, as drivers do.
package driver

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
)

const answer = "one"

func init() { sql.Register("ownsql", own{}) }

type own struct{}

func (own) Open(string) (driver.Conn, error)                 { return own{}, nil }
func (own) Prepare(string) (driver.Stmt, error)              { return own{}, nil }
func (own) Begin() (driver.Tx, error)                        { return nil, errors.New("no transactions") }
func (own) Close() error                                     { return nil }
func (own) NumInput() int                                    { return 0 }
func (own) Exec([]driver.Value) (driver.Result, error)       { return driver.ResultNoRows, nil }
func (own) Query([]driver.Value) (rows driver.Rows, _ error) { return new(single), nil }

// single is one row.
type single struct{ read bool }

func (*single) Columns() []string { return []string{"answer"} }
func (*single) Close() error      { return nil }

func (s *single) Next(row []driver.Value) error {
	if s.read {
		return io.EOF
	}
	s.read, row[0] = true, answer
	return nil
}
