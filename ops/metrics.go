// Package ops shows how the daemon is doing: its metrics, and a page for people.
//
// What comes in: funcs that tell figures when they are asked. What goes out: http.Handlers, one in the format of Prometheus and one of
// HTML. It promises that no label holds anything that a source or a sender could choose freely, and that the page runs no script and
// loads nothing from elsewhere. It must never decide anything, and never be told a value of a record.
package ops

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// askWithin bounds how long a scrape waits for figures that have to be asked for.
const askWithin = 5 * time.Second

// Family is a metric: its name without the prefix syncd_, what it means and its labels.
type Family struct {
	Name, Help string
	Labels     []string
	Counter    bool // otherwise a gauge
}

// Sample is one figure of a family.
type Sample struct {
	Of     *Family
	Labels []string // values, in the order of the family's
	Value  float64
}

// Tell tells figures at the moment of a scrape. What it returns beside an error is shown all the same.
type Tell func(context.Context) ([]Sample, error)

// Metrics collects figures from several tellers. It is an http.Handler.
type Metrics struct {
	http.Handler
	log   *slog.Logger
	mu    sync.Mutex
	tells []Tell
}

// NewMetrics makes metrics that hold only what the Go runtime and the process tell, until Add is called.
func NewMetrics(log *slog.Logger) *Metrics {
	m := &Metrics{log: log}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), unchecked{m})
	m.Handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return m
}

// Add adds a teller.
func (m *Metrics) Add(t Tell) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tells = append(m.tells, t)
}

// unchecked is Metrics as Prometheus collects it: which families there are is not known before they are asked for.
type unchecked struct{ *Metrics }

// Describe describes nothing.
func (unchecked) Describe(chan<- *prometheus.Desc) {}

// Collect asks all tellers.
func (u unchecked) Collect(to chan<- prometheus.Metric) {
	u.mu.Lock()
	tells := slices.Clone(u.tells)
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	for _, tell := range tells {
		samples, err := tell(ctx)
		if err != nil {
			u.log.Warn("some metrics could not be told", slog.Any("error", err))
		}
		for _, s := range samples {
			kind := prometheus.GaugeValue
			if s.Of.Counter {
				kind = prometheus.CounterValue
			}
			metric, err := prometheus.NewConstMetric(prometheus.NewDesc("syncd_"+s.Of.Name, s.Of.Help, s.Of.Labels, nil), kind, s.Value, s.Labels...)
			if err != nil {
				u.log.Warn("a metric has labels that do not fit", slog.String("name", s.Of.Name))
				continue
			}
			to <- metric
		}
	}
}
