package redcap

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// heldWriter keeps an answer back so that it can be changed.
type heldWriter struct {
	header http.Header
	status int
	body   []byte
}

func (w *heldWriter) Header() http.Header    { return w.header }
func (w *heldWriter) WriteHeader(status int) { w.status = status }
func (w *heldWriter) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// deliver changes a held answer and sends it.
func (f *armed) deliver(w http.ResponseWriter, held *heldWriter) {
	b := held.body
	switch f.Kind {
	case Truncate:
		n := f.N
		if n < 0 {
			n += len(b)
		}
		b = b[:max(0, min(n, len(b)))]
	case LongLength:
		w.Header().Set("Content-Length", strconv.Itoa(len(b)+max(1, f.N)))
	case ShortLength:
		b = b[:max(0, len(b)-max(1, f.N))]
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	case InvalidUTF8:
		b = f.insert(b, "\xa0\xe7\x92")
	case NUL:
		b = f.insert(b, "\x00")
	case BOM:
		b = append([]byte("\xef\xbb\xbf"), b...)
	case CRLF:
		b = rowEnds(b)
	case NoHeader:
		if _, rest, ok := bytes.Cut(b, []byte("\n")); ok {
			b = rest
		}
	case ExtraColumn:
		head, rest, _ := bytes.Cut(b, []byte("\n"))
		b = append(append(bytes.Clone(head), '\n'), bytes.ReplaceAll(rest, []byte("\n"), []byte(",extra\n"))...)
	case Notice:
		b = append([]byte("<br />\n<b>Notice</b>:  Undefined index: x in <b>index.php</b> on line <b>12</b><br />\n"), b...)
	}
	w.WriteHeader(held.status)
	w.Write(b)
}

// rowEnds makes the ends of CSV rows CR LF. Line breaks inside quotes are data and stay.
func rowEnds(b []byte) []byte {
	out, quoted := make([]byte, 0, len(b)+len(b)/50), false
	for _, c := range b {
		if c == '"' {
			quoted = !quoted
		}
		if c == '\n' && !quoted {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}

// insert puts bytes behind the first occurrence of the fault's text, else before the last row's end.
func (f *armed) insert(b []byte, what string) []byte {
	at := bytes.Index(b, []byte(f.Text)) + len(f.Text)
	if f.Text == "" || at < len(f.Text) {
		at = max(0, len(bytes.TrimRight(b, "\n]}\"")))
	}
	return append(append(bytes.Clone(b[:at]), what...), b[at:]...)
}

// dripWriter sends a little at a time.
type dripWriter struct {
	http.ResponseWriter
	r     *http.Request
	n     int
	delay time.Duration
}

func (w *dripWriter) Write(b []byte) (int, error) {
	for sent := 0; sent < len(b); {
		n, err := w.ResponseWriter.Write(b[sent:min(len(b), sent+w.n)])
		sent += n
		if err != nil {
			return sent, err
		}
		flush(w.ResponseWriter)
		wait(w.r, w.delay)
		if err := w.r.Context().Err(); err != nil {
			return sent, err
		}
	}
	return len(b), nil
}

// flush sends what has been written so far, if the connection below can do that.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// resetWriter breaks the connection after some bytes.
type resetWriter struct {
	http.ResponseWriter
	left int
}

func (w *resetWriter) Write(b []byte) (int, error) {
	if len(b) < w.left {
		w.left -= len(b)
		return w.ResponseWriter.Write(b)
	}
	w.ResponseWriter.Write(b[:w.left])
	flush(w.ResponseWriter)
	panic(http.ErrAbortHandler)
}
