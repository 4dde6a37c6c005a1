package main

import (
	"context"
	"database/sql"
	"fmt"

	_ "github.com/mattn/go-sqlite3"
)

func exercise(ctx context.Context) (string, error) {
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		return "", err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `create table prices (name text primary key, price integer);
		insert into prices values ('pear', 3), ('plum', 5)`)
	if err != nil {
		return "", err
	}
	_, err = db.ExecContext(ctx, "insert into prices values ('pear', 4)")
	if err == nil {
		return "", fmt.Errorf("a second pear was taken")
	}
	var names string
	var sum int
	found := db.QueryRowContext(ctx, "select group_concat(name, '+'), sum(price) from prices where price > ?", 1).Scan(&names, &sum)
	return fmt.Sprint(names, "=", sum, "; ", err), found
}
