package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

func exercise(context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	db, err := bbolt.Open(filepath.Join(dir, "prices"), 0o600, nil)
	if err != nil {
		return "", err
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("prices"))
		if err != nil {
			return err
		}
		for i := range 1000 {
			if err := b.Put(fmt.Appendf(nil, "pear %d", i), fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	text := ""
	return text, db.View(func(tx *bbolt.Tx) error {
		key, value := tx.Bucket([]byte("prices")).Cursor().Seek([]byte("pear 99"))
		text += fmt.Sprintf("%s: %s, of %d", key, value, tx.Bucket([]byte("prices")).Stats().KeyN)
		return nil
	})
}
