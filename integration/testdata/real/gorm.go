package main

import (
	"context"
	"fmt"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

type price struct {
	ID    uint
	Name  string `gorm:"uniqueIndex"`
	Cents int
}

// exercise uses SQLite in Go.
func exercise(ctx context.Context) (string, error) {
	db, err := gorm.Open(sqlite.Open(":memory:"), new(gorm.Config))
	if err != nil {
		return "", err
	}
	sql, err := db.DB()
	if err != nil {
		return "", err
	}
	defer sql.Close()
	sql.SetMaxOpenConns(1)
	db = db.WithContext(ctx)
	if err := db.AutoMigrate(new(price)); err != nil {
		return "", err
	}
	if err := db.Create([]price{{Name: "pear", Cents: 150}, {Name: "plum", Cents: 75}}).Error; err != nil {
		return "", err
	}
	if err := db.Model(new(price)).Where("name = ?", "plum").Update("cents", gorm.Expr("cents * 2")).Error; err != nil {
		return "", err
	}
	var all []price
	err = db.Order("name desc").Find(&all, "cents = ?", 150).Error
	return fmt.Sprint(all), err
}
