package redcap

import (
	"html"
	"io"
	"net/http"
	"time"
)

// countingWriter counts what is answered.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets a response controller reach the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// bodyWriter sends the body elsewhere and leaves the header where it is.
type bodyWriter struct {
	http.ResponseWriter
	to io.Writer
}

func (w *bodyWriter) Write(b []byte) (int, error) { return w.to.Write(b) }

// htmlPage answers as a web server or firewall does, not as REDCap.
func htmlPage(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, "<!DOCTYPE HTML>\n<html><head><title>"+html.EscapeString(text)+"</title></head><body><h1>"+
		html.EscapeString(text)+"</h1></body></html>\n")
}

// wait sleeps unless the client goes away first.
func wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}
