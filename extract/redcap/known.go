package redcap

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	"syncd/extract"
)

// memoEncoding changes when an older memo can no longer be read; the run after it reads everything.
const memoEncoding = 1

// memory is what a source keeps from its last good run: the answers of which the structure was made, as they came, so
// that a run which knows that nothing changed makes the same structure of them without asking. It holds no record, and of
// the token only a part of its hash.
type memory struct {
	Encoding int
	Answers  map[string]told // by call
	Field    string          // the record-id field
	Project  string          // project_id
	Asked    string          // the options that say what is read
	Token    string          // which token read
	User     string          // its user, where the log told
	NoLog    bool            // the log was refused
	Logged   string          // the log is stored up to this minute of the server's clock; empty: never
}

// told is one answer: a body, compressed, with its hash; or a refusal by its words.
type told struct {
	Body    []byte `json:",omitempty"`
	Sum     string `json:",omitempty"`
	Refused string `json:",omitempty"`
}

func (t told) same(o told) bool { return t.Sum == o.Sum && t.Refused == o.Refused }

// remember reads a memo; nil where there is none that can be read.
func remember(memo []byte) *memory {
	m := &memory{}
	if len(memo) == 0 || json.Unmarshal(memo, m) != nil || m.Encoding != memoEncoding || m.Answers == nil {
		return nil
	}
	return m
}

// memo writes m down.
func (m *memory) memo() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		return nil // the next run reads everything
	}
	return text
}

func newMemory() *memory { return &memory{Encoding: memoEncoding, Answers: map[string]told{}} }

// keep writes down what a structural call came to. What failed otherwise is not kept: the run fails of it.
func (m *memory) keep(call string, a *answer, err error) {
	if err == nil {
		var out bytes.Buffer
		z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is one that there is
		_, _ = z.Write(a.body)                            // into memory
		_ = z.Close()
		sum := sha256.Sum256(a.body)
		m.Answers[call] = told{Body: out.Bytes(), Sum: hex.EncodeToString(sum[:])}
		return
	}
	for _, s := range sayings() {
		if errors.Is(err, s.cause) && (s.kind == extract.KindRefused || s.kind == extract.KindRights) {
			m.Answers[call] = told{Refused: s.cause.Error()}
		}
	}
}

// recall gives an answer back as it came.
func (t told) recall() (*answer, error) {
	for _, s := range sayings() {
		if t.Refused != "" && s.cause.Error() == t.Refused {
			return nil, &extract.Error{Kind: s.kind, Cause: s.cause, Next: s.next}
		}
	}
	z, err := gzip.NewReader(bytes.NewReader(t.Body))
	if err != nil {
		return nil, errForgotten
	}
	body, err := io.ReadAll(io.LimitReader(z, mostAnswer*4))
	if err != nil {
		return nil, errForgotten
	}
	return &answer{body: body, framed: true}, nil
}

// inquiry is where the answers of structural calls come from: the memory of the last good run, or the server.
type inquiry struct {
	known *memory                // nil: the server is asked for everything
	live  func(call string) bool // calls that the server is asked for all the same; nil: none
	mute  bool                   // the server is not asked at all
	fresh *memory                // what came is kept here; may be nil
}

// inquire answers a structural call under the name by which it is remembered.
func (s *Source) inquire(ctx context.Context, call string, question question) (*answer, error) {
	q := s.from
	if q.known != nil && (q.live == nil || !q.live(call)) {
		t, ok := q.known.Answers[call]
		switch {
		case ok:
			if q.fresh != nil {
				q.fresh.Answers[call] = t
			}
			a, err := t.recall()
			if err != nil && !errors.Is(err, errForgotten) {
				err = s.explain(question, err)
			}
			return a, err
		case q.mute:
			return nil, errForgotten
		}
	}
	a, err := s.ask(ctx, question, nil)
	if q.fresh != nil {
		q.fresh.keep(call, a, err)
	}
	return a, err
}

// errForgotten says that a memory does not hold an answer that its structure needs; then the server is asked for all.
var errForgotten = errors.New("the memory of the last run is not whole")

// tokenHash tells tokens apart without keeping one.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte("syncd token " + token))
	return hex.EncodeToString(sum[:8])
}

// knows reports whether a call is answered without the server.
func (q *inquiry) knows(call string) bool {
	if q.known == nil || q.live != nil && q.live(call) {
		return false
	}
	_, ok := q.known.Answers[call]
	return ok
}
