package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

func zipped(body string) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = io.WriteString(zw, body)
	_ = zw.Close()
	return b.Bytes()
}

// raw answers with bytes of its own and closes the connection.
func raw(answer []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = conn.Write(answer)
		_ = conn.Close()
	}
}

func TestAnswerCutAnywhereIsTransientAndNeverHalfASuccess(t *testing.T) {
	body := "record_id,age\n1,20\n2,30\n"
	packed := zipped(body)
	for _, c := range []struct{ name, answer string }{
		{"length", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)},
		{"chunks", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)},
		{"gzip", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed), packed)},
		{"gzip without length", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n%s", packed)},
	} {
		t.Run(c.name, func(t *testing.T) {
			cut := 0
			bubble(t, Config{}, Endpoint{Tries: 1}, func(w http.ResponseWriter, r *http.Request) {
				raw([]byte(c.answer[:cut]))(w, r)
			}, func(t *testing.T, client *Client, _ *bytes.Buffer) {
				for ; cut < len(c.answer); cut++ {
					if strings.HasSuffix(c.answer[:cut], "close\r\n\r\n") {
						continue // an empty body that ends with the connection is whole
					}
					fails(t, client.Do(t.Context(), ask(), func(r *Response) error {
						_, _ = io.ReadAll(r.Body) // a reader that does not notice
						return nil
					}), extract.KindTransient, "")
				}
				var got []byte
				if err := client.Do(t.Context(), ask(), into(&got)); err != nil || string(got) != body {
					t.Errorf("the whole answer gives %q, %v", got, err)
				}
			})
		})
	}
}

func TestCutIsSeenThoughReadStopsEarlyOrStumbles(t *testing.T) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
	for name, read := range map[string]func(*Response) error{
		"stops early": func(*Response) error { return nil },
		"stumbles": func(r *Response) error {
			_, _ = io.ReadAll(r.Body)
			return extract.Errorf(extract.KindGarbled, "read records", "ragged row")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, Endpoint{Tries: 1}, raw(answer), func(t *testing.T, c *Client, _ *bytes.Buffer) {
				fails(t, c.Do(t.Context(), ask(), read), extract.KindTransient, "connection was cut")
			})
		})
	}
}

func TestAnswerSaysWhetherItsEndCanBeSeen(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		framed bool
	}{
		"length":      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", true},
		"chunks":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", true},
		"gzip":        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + string(zipped("x")), true},
		"end of line": {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx", false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, Endpoint{Tries: 1}, raw([]byte(c.answer)), func(t *testing.T, client *Client, _ *bytes.Buffer) {
				err := client.Do(t.Context(), ask(), func(r *Response) error {
					if r.Framed != c.framed {
						t.Errorf("framed is %v", r.Framed)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDecodedBytesAreBounded(t *testing.T) {
	const limit = 1 << 20
	packed := zipped(strings.Repeat("0", 64<<20)) // 64 kB
	for _, c := range []struct {
		name     string
		encoding string
		body     []byte
		max      int64
		ok       bool
	}{
		{"gzip bomb", "gzip", packed, 0, false},
		{"just as long as allowed", "", bytes.Repeat([]byte("x"), limit), 0, true},
		{"a byte too long", "", bytes.Repeat([]byte("x"), limit+1), 0, false},
		{"longer by request", "", bytes.Repeat([]byte("x"), limit+1), 2 * limit, true},
		{"shorter by request", "", []byte("12345"), 4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := 0
			bubble(t, Config{}, Endpoint{MaxBody: limit}, answers(&count, func(w http.ResponseWriter, _ *http.Request) {
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				_, _ = w.Write(c.body)
			}), func(t *testing.T, client *Client, _ *bytes.Buffer) {
				r := ask()
				r.MaxBody = c.max
				got := 0
				err := client.Do(t.Context(), r, func(r *Response) error {
					n, err := io.Copy(io.Discard, r.Body)
					got = int(n)
					return err
				})
				if c.ok {
					if err != nil || got != len(c.body) {
						t.Errorf("%d bytes, %v", got, err)
					}
					return
				}
				fails(t, err, extract.KindTooLarge, "longer than the limit")
				if got > limit || count != 1 {
					t.Errorf("%d bytes in %d attempts", got, count)
				}
			})
		})
	}
}

func TestEncodingsThatWereNotAskedForAreGarbled(t *testing.T) {
	for _, encoding := range []string{"br", "gzip, gzip", "deflate", "zstd"} {
		bubble(t, Config{}, Endpoint{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			_, _ = w.Write(zipped(string(zipped("x"))))
		}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
			fails(t, c.Do(t.Context(), ask(), into(new([]byte))), extract.KindGarbled, "content encoding")
		})
	}
}

func TestDamagedCompressionIsTriedAgain(t *testing.T) {
	damaged := zipped(strings.Repeat("record 1, record 2; ", 50))
	damaged[len(damaged)-6] ^= 0xff // of the checksum
	count := 0
	bubble(t, Config{}, Endpoint{}, answers(&count, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(damaged)
	}, text("ok")), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		var body []byte
		if err := c.Do(t.Context(), ask(), into(&body)); err != nil || string(body) != "ok" || count != 2 {
			t.Errorf("%q after %d attempts, %v", body, count, err)
		}
	})
}

func TestSlowServerEndsByTimeout(t *testing.T) {
	drip := func(pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for range 10_000 {
				if _, err := io.WriteString(w, "x"); err != nil || r.Context().Err() != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(pause)
			}
		}
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    time.Duration
		words   string
	}{
		{"a byte a second", drip(time.Second), 10 * time.Minute, "no complete answer within 10m0s (timeout)"},
		{"stands still in the body", drip(9 * time.Minute), 60 * time.Second, "nothing came for 1m0s"},
		{"never answers", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, 10 * time.Minute, "no complete answer within 10m0s (timeout)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{Timeout: 10 * time.Minute}, Endpoint{Tries: 1}, c.handler, func(t *testing.T, client *Client, _ *bytes.Buffer) {
				started := time.Now()
				err := client.Do(t.Context(), ask(), into(new([]byte)))
				fails(t, err, extract.KindTransient, c.words)
				if !errors.Is(err, ErrTimeout) || time.Since(started) != c.want {
					t.Errorf("ended after %s: %v", time.Since(started), err)
				}
			})
		})
	}
}

func TestReaderThatTakesItsTimeIsNotTheServersFault(t *testing.T) {
	bubble(t, Config{}, Endpoint{Tries: 1}, text(strings.Repeat("x", 10_000)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		err := c.Do(t.Context(), ask(), func(r *Response) error {
			time.Sleep(2 * idleTimeout)
			_, err := io.Copy(io.Discard, r.Body)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
