package redcap

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTheBusiestMinuteIsCountedByASlidingWindow(t *testing.T) {
	p := small()
	now := time.Date(2026, 1, 15, 12, 0, 50, 0, time.UTC)
	s := serve(Options{Clock: func() time.Time { return now }}, p)
	for range 3 {
		ask(t, s, p, "content", "version")
	}
	now = now.Add(59 * time.Second) // another minute of the clock, the same 60 seconds
	for range 2 {
		post(t, s, "0", "content", "version") // refused ones count
	}
	if n := s.MaxPerMinute(); n != 5 {
		t.Errorf("%d in a minute", n)
	}
	now = now.Add(time.Second)
	ask(t, s, p, "content", "version")
	if n := s.MaxPerMinute(); n != 5 {
		t.Errorf("a request 60 seconds after the first ones: %d", n)
	}
	s.ResetRequests()
	if s.MaxPerMinute() != 0 || s.MaxConcurrent() != 0 {
		t.Error("not forgotten")
	}
}

func TestConcurrentRequestsAreCounted(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	here, goOn := make(chan bool), make(chan bool)
	s.OnRequest(func(Request) {
		here <- true
		<-goOn
	})
	done := make(chan bool)
	for range 2 {
		go func() {
			post(t, s, p.Token(), "content", "version")
			done <- true
		}()
	}
	<-here
	<-here
	close(goOn)
	<-done
	<-done
	s.OnRequest(nil)
	ask(t, s, p, "content", "version")
	if n := s.MaxConcurrent(); n != 2 {
		t.Errorf("%d at once", n)
	}
}

func TestWideWindowsOfTheLogTimeOut(t *testing.T) {
	p := small()
	s, _ := clocked(t, p, Options{}, "America/New_York") // 12:00 there
	s.Fault(Fault{Kind: Status, N: 504, Content: "log", Window: 24 * time.Hour})
	for _, c := range []struct {
		begin, end string
		want       int
	}{
		{"", "", 504},
		{"2026-01-14 11:59", "", 504},
		{"2026-01-14 12:00", "", 200},
		{"2026-01-01 00:00", "2026-01-02 00:00", 200},
		{"2026-01-01 00:00", "2026-01-02 00:01", 504},
	} {
		var pairs []string
		if c.begin != "" {
			pairs = append(pairs, "beginTime", c.begin)
		}
		if c.end != "" {
			pairs = append(pairs, "endTime", c.end)
		}
		if code, _ := ask(t, s, p, append([]string{"content", "log"}, pairs...)...); code != c.want {
			t.Errorf("%+v: %d", c, code)
		}
	}
}

func TestAnUpgradeBetweenTwoCallsChangesTheAnswers(t *testing.T) {
	p := Synthetic(Spec{Records: 0, Fields: 4})
	s := serve(Options{Version: "10.9.0"}, p)
	for _, version := range []string{"10.9.0", "14.9.1", "15.6.0", "17.4.1"} {
		s.Upgrade(version)
		if _, body := ask(t, s, p, "content", "version"); body != version || s.Version() != version {
			t.Errorf("%s: %s", version, body)
		}
		_, body := ask(t, s, p, "content", "record", "format", "csv")
		if header := strings.HasPrefix(body, "record_id"); header == (version == "17.4.1") {
			t.Errorf("%s: %q", version, body)
		}
	}
}

func TestAShortLengthCutsTheBody(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	_, whole := ask(t, s, p, "content", "metadata", "format", "json")
	s.Fault(Fault{Kind: ShortLength, N: 10})
	res, body, err := over(t, s, p, "content", "metadata", "format", "json")
	if err != nil || res.StatusCode != http.StatusOK || string(body) != whole[:len(whole)-10] {
		t.Errorf("%v %d bytes of %d", err, len(body), len(whole))
	}
}
