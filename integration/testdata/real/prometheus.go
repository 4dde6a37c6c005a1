package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// registry is the plugin's own. What is registered with the default one would be there still when the next generation comes.
var registry = prometheus.NewRegistry()

var (
	orders  = promauto.With(registry).NewCounterVec(prometheus.CounterOpts{Name: "orders_total"}, []string{"shop"})
	seconds = promauto.With(registry).NewHistogram(prometheus.HistogramOpts{Name: "order_seconds", Buckets: prometheus.LinearBuckets(1, 1, 3)})
)

func init() {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

func exercise(ctx context.Context) (string, error) {
	orders.Reset()
	orders.WithLabelValues("corner").Add(2)
	orders.WithLabelValues("market").Inc()
	seconds.Observe(1.5)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	lines := strings.Split(w.Body.String(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		return !strings.HasPrefix(l, "orders_total") && !strings.HasPrefix(l, "# TYPE go_gc_duration")
	})
	return strings.Join(lines, "; "), nil
}
