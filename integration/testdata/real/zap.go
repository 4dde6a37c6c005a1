package main

import (
	"context"
	"errors"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type item struct {
	Name  string
	Price float64
}

func (i item) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("name", i.Name)
	e.AddFloat64("price", i.Price)
	return nil
}

func exercise(context.Context) (string, error) {
	var out strings.Builder
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = ""
	core := zapcore.NewCore(zapcore.NewJSONEncoder(config), zapcore.AddSync(&out), zap.NewAtomicLevelAt(zap.InfoLevel))
	log := zap.New(core).Named("shop").With(zap.Int("till", 3))
	log.Debug("unheard")
	log.Info("sold", zap.Object("item", item{"pear", 1.5}), zap.Strings("tags", []string{"a", "b"}))
	log.Sugar().Errorw("returned", "err", errors.New("bruised"))
	return strings.Join(strings.Fields(out.String()), " "), log.Sync()
}
