package main

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func exercise(ctx context.Context) (string, error) {
	exporter := tracetest.NewInMemoryExporter()
	traces := trace.NewTracerProvider(trace.WithBatcher(exporter))
	tracer := traces.Tracer("shop")
	inner, outer := tracer.Start(ctx, "order")
	_, span := tracer.Start(inner, "pay")
	span.SetAttributes(attribute.StringSlice("items", []string{"pear", "plum"}))
	span.RecordError(errors.New("declined"))
	span.SetStatus(codes.Error, "declined")
	span.End()
	outer.End()
	if err := traces.ForceFlush(ctx); err != nil {
		return "", err
	}
	text := ""
	for _, s := range exporter.GetSpans() {
		text += fmt.Sprint(s.Name, " ", s.Status.Code, " ", s.Attributes, " ", len(s.Events), "; ")
	}
	if err := traces.Shutdown(ctx); err != nil {
		return "", err
	}

	reader := metric.NewManualReader()
	metrics := metric.NewMeterProvider(metric.WithReader(reader))
	defer metrics.Shutdown(ctx)
	counter, err := metrics.Meter("shop").Int64Counter("orders")
	if err != nil {
		return "", err
	}
	counter.Add(ctx, 2)
	counter.Add(ctx, 3)
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return "", err
	}
	sum := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	return text + fmt.Sprint(sum.DataPoints[0].Value), nil
}
