package ops

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestMetricsTellWhatTheyAreTold(t *testing.T) {
	t.Parallel()
	m := NewMetrics(slog.New(slog.DiscardHandler))
	waiting := &Family{Name: "pending", Help: "What waits.", Labels: []string{"receiver"}}
	m.Add(func(context.Context) ([]Sample, error) {
		return []Sample{{waiting, []string{"hospital"}, 3}, {waiting, nil, 1}}, errors.New("and more that is not known")
	})
	m.Add(func(context.Context) ([]Sample, error) {
		return []Sample{{&Family{Name: "requests_total", Help: "Requests.", Labels: []string{"kind"}, Counter: true}, []string{"push"}, 7}}, nil
	})
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`syncd_pending{receiver="hospital"} 3`, "# TYPE syncd_requests_total counter", `syncd_requests_total{kind="push"} 7`, "go_goroutines"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

func TestFiguresAreAskedForAtMostOnceInAWhile(t *testing.T) {
	t.Parallel()
	now, asked, broken := time.Unix(0, 0), 0, false
	tell := Cached(10*time.Second, func() time.Time { return now }, func(context.Context) ([]Sample, error) {
		asked++
		if broken {
			return nil, errors.New("away")
		}
		return []Sample{{Value: float64(asked)}}, nil
	})
	for _, c := range []struct {
		pass   time.Duration
		broken bool
		want   float64 // 0: an error
	}{{0, false, 1}, {9 * time.Second, false, 1}, {time.Second, false, 2}, {10 * time.Second, true, 0}, {0, true, 0}, {0, false, 5}, {time.Second, true, 5}} {
		now, broken = now.Add(c.pass), c.broken
		samples, err := tell(t.Context())
		if c.want == 0 && err == nil || c.want > 0 && (err != nil || samples[0].Value != c.want) {
			t.Errorf("%+v: %v, %v", c, samples, err)
		}
	}
}
