package ops

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
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
