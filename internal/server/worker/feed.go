package worker

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/sinks"
	"github.com/sohost/sohost/internal/spool"
)

// feed writes rows that plugins emit to the backlog, from which other plugins get them.
type feed struct {
	backlog *backlog.Log
	host    atomic.Pointer[sohost.Host] // nil while plugins boot
}

// take is a sinks.Feed. While plugins boot, nobody knows who wants the rows, and they are written in any case.
func (f *feed) take(rows sinks.Fed) (wanted bool, err error) {
	if h := f.host.Load(); h != nil && !h.WantsWrite(rows.Tables) {
		return false, nil
	}
	err = f.backlog.Append(backlog.Write{
		Emitted: true, Database: rows.Database, Precision: lineprotocol.Nanosecond, Received: rows.Received, Text: rows.Text, Tables: rows.Tables,
	})
	switch {
	case errors.Is(err, spool.ErrFull):
		err = fmt.Errorf("%w: %w", sinks.ErrFull, err)
	case errors.Is(err, spool.ErrClosed):
		err = fmt.Errorf("the server has handed over to another process, or stops: %w", err)
	}
	return err == nil, err
}
