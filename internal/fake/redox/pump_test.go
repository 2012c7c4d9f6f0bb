package redox

import (
	"net/http"
	"strings"
	"testing"
)

func TestPumpSendsEachMessageOnceAndTimesIt(t *testing.T) {
	traffic := NewTraffic(TrafficSpec{})
	r := newReceiver(t, func(log string, _ int) int {
		if log == traffic.LogID(5) {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	p := Pump{Address: strings.TrimPrefix(r.URL, "http://"), Path: "/push", Token: "secret", Connections: 4}
	f, err := p.Run(t.Context(), 500, traffic.AppendPatientAdmin4KB)
	if err != nil {
		t.Fatal(err)
	}
	if f.Acknowledged() != 499 || f.Statuses[503] != 1 || f.PerSecond() <= 0 || f.Quantile(0.99) < f.Quantile(0.5) || f.Quantile(1) <= 0 {
		t.Errorf("figures %v, p50 %s, p99 %s", f.Statuses, f.Quantile(0.5), f.Quantile(0.99))
	}
	for i := range 500 {
		if r.times[traffic.LogID(i)] != 1 {
			t.Fatalf("message %d came %d times", i, r.times[traffic.LogID(i)])
		}
	}
	if h := r.headers[0]; h.Get("Verification-Token") != "secret" || h.Get("Authorization") != "Bearer secret" || r.urls[0] != "/push" {
		t.Error("a request lacks its token or its path")
	}
}

func TestPumpEndsWhenTheReceiverGoesAway(t *testing.T) {
	r := newReceiver(t, nil)
	p := Pump{Address: strings.TrimPrefix(r.URL, "http://"), Path: "/", Connections: 2}
	r.Close()
	if _, err := p.Run(t.Context(), 10, NewTraffic(TrafficSpec{}).AppendMixed); err == nil {
		t.Error("no error though nobody listens")
	}
}
