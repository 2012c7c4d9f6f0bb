package redox

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines is a writer of answers whose connection keeps to its deadlines, as those of net/http do: over HTTP/2 a stream is
// reset when the time for its answer is over, whether or not its body still comes.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

// steady is a body of which so many bytes come every second.
type steady struct {
	*deadlines
	left, each int
}

var errReset = errors.New("stream reset")

func (s *steady) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second) // of a time that is made up
	switch now := time.Now(); {
	case now.After(s.write):
		return 0, errReset
	case !s.read.IsZero() && now.After(s.read):
		return 0, os.ErrDeadlineExceeded
	}
	n := min(len(b), s.each, s.left)
	clear(b[:n])
	s.left -= n
	return n, nil
}

// A body may take as long as it comes fast enough, and is cut after 30 seconds where it does not.
func TestBodyMayTakeAsLongAsItKeepsItsPace(t *testing.T) {
	for _, c := range []struct {
		each, seconds, status int
		cut                   time.Duration
	}{
		{each: 1, seconds: 29, status: http.StatusOK},
		{each: 1, seconds: 1000, status: http.StatusRequestTimeout, cut: 31 * time.Second},
		{each: 32 << 10, seconds: 1000, status: http.StatusRequestTimeout, cut: 59 * time.Second}, // half of what is asked
		{each: 80 << 10, seconds: 300, status: http.StatusOK},
	} {
		synctest.Test(t, func(t *testing.T) {
			inbox, began := &memoryInbox{}, time.Now()
			rc := receiverOf(t, setting{}, inbox, &events{})
			w := &deadlines{ResponseRecorder: httptest.NewRecorder(), write: began.Add(writeWithin)}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hospitalPath, &steady{w, c.each * c.seconds, c.each})
			r.ContentLength = int64(c.each * c.seconds)
			r.Header.Set("Verification-Token", goodToken)
			rc.ServeHTTP(w, r)
			if took := time.Since(began); w.Code != c.status || c.cut != 0 && took != c.cut {
				t.Errorf("%d bytes a second: %d after %s, want %d", c.each, w.Code, took, c.status)
			}
			if kept := len(inbox.deliveries()); kept == 1 != (c.status == http.StatusOK) {
				t.Errorf("%d bytes a second: %d kept", c.each, kept)
			}
			if c.status == http.StatusOK && !w.read.IsZero() {
				t.Error("the deadline of the body is left for the next request")
			}
		})
	}
}
