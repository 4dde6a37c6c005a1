package main

import (
	"fmt"
	"strings"

	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/regular"
	"github.com/sohost/sohost/internal/server/worker"
	"github.com/sohost/sohost/internal/writes"
)

// writesConfig is how clients write.
type writesConfig struct {
	Ack        worker.Ack
	Tokens     []string
	TokenFiles []string
	BodyLimit  int
	SpoolLimit int
}

// bind returns the settings, stored in c, which gets their defaults.
func (c *writesConfig) bind() []setting {
	return []setting{
		{key: "ack", value: asOneOf("mode", &c.Ack, worker.Spooled, [2]worker.Ack{worker.Spooled, worker.Handled}),
			help: "when a write is acknowledged: `spool` once it is on disk, `handled` once every plugin that asked for it has handled it"},
		{key: "tokens", value: asSecrets(&c.Tokens), initial: "everybody may write",
			help: "those with which clients may write"},
		{key: "token_files", value: asPaths(&c.TokenFiles), initial: "none",
			help: "files with one more token each, read when the server starts and on `sohost reload`"},
		{key: "body_limit", value: asBytes(&c.BodyLimit, writes.DefaultBodyLimit),
			help: "limit for a request's body, packed and unpacked; beyond it, clients get 413"},
		{key: "spool_limit", value: asBytes(&c.SpoolLimit, backlog.DefaultLimit),
			help: "limit for the writes on disk; beyond it, clients get 503"},
	}
}

// options returns what a worker is told. A token file that can't be read is a usageError.
func (c *writesConfig) options() (*worker.Writes, error) {
	w := &worker.Writes{Ack: c.Ack, SpoolLimit: int64(c.SpoolLimit), BodyLimit: int64(c.BodyLimit), Tokens: append([]string(nil), c.Tokens...)}
	for _, file := range c.TokenFiles {
		text, err := regular.Read(file)
		if err != nil {
			return nil, usageError{fmt.Errorf("read a token: %w; make the file, or leave it out of token_files", err)}
		}
		token := strings.TrimSpace(string(text))
		if token == "" {
			return nil, usageError{fmt.Errorf("token file %s is empty: write a token into it, or leave it out of token_files", file)}
		}
		w.Tokens = append(w.Tokens, token)
	}
	return w, nil
}

// asWrites is true, or a table of settings, which means true.
func asWrites(to *bool, c *writesConfig) value {
	v := asBoolean(to)
	c.bind() // the defaults
	plain := v.fromTOML
	v.fromTOML = func(p *parser, at keyPath, v any) {
		table, ok := v.(map[string]any)
		if !ok {
			plain(p, at, v)
			return
		}
		*to = true
		p.table(at, table, c.bind())
		for key, n := range map[string]int{"body_limit": c.BodyLimit, "spool_limit": c.SpoolLimit} {
			if n <= 0 {
				p.bad(at.with(key), "%s: want more than 0 bytes, not %d", key, n)
			}
		}
	}
	return v
}
