package redcap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"syncd/extract"
	"syncd/extract/upstream"
)

// Limits of one request for records. PHP drops variables beyond 1,000 in silence (reference 1).
const (
	maxIDs     = 800
	firstIDs   = 50
	slowAnswer = 20 * time.Second
	wideAnswer = 4 << 20 // what an answer is aimed at
	mostAnswer = 64 << 20
)

// recordQuestion asks for every row of some records, the instruments of the job.
func (s *Source) recordQuestion(p *snapshot, ids []string) question {
	return question{
		what: "export records", resource: fmt.Sprintf("record, %d ids", len(ids)), content: "record", format: "csv",
		maxBody: mostAnswer, tries: 1,
		extra: func(b *params) {
			s.recordParams(b, p)
			b.list("records", ids)
		},
	}
}

func (s *Source) recordParams(b *params, p *snapshot) {
	for _, kv := range [...][2]string{
		{"type", "flat"},
		{"rawOrLabel", "raw"},
		{"exportSurveyFields", "true"},
		{"exportBlankForGrayFormStatus", "true"},
		{"decimalCharacter", "."},
	} {
		b.add(kv[0], kv[1])
	}
	if p.groupColumn == groupAsked {
		b.add("exportDataAccessGroups", "true")
	}
	if forms := p.askedForms(s.cfg.Options); forms != nil {
		b.list("fields", []string{p.idField}) // the record id comes only where it is asked for (reference 4)
		b.list("forms", forms)
	}
}

// sizer decides how many records the next request asks for: as many as its body may hold, fewer where the server
// was slow or failed, and more again little by little.
type sizer struct {
	ids    int
	room   int // bytes of the body that ids may take
	failed bool
}

func (s *Source) newSizer(p *snapshot) *sizer {
	var b params
	b.add("token", "00000000000000000000000000000000")
	b.add("content", "record")
	b.add("format", "csv")
	b.add("returnFormat", "json")
	s.recordParams(&b, p)
	return &sizer{ids: firstIDs, room: s.cfg.BodyBytes - len(b.text)}
}

// take cuts the next ids off a list by count and bytes; at least one.
func (z *sizer) take(next func() (string, bool)) (ids []string, held string) {
	room := z.room
	for len(ids) < z.ids {
		id, ok := next()
		if !ok {
			return ids, ""
		}
		room -= len("&records%5B%5D=") + len(strconv.Itoa(len(ids))) + len(url.QueryEscape(id))
		if room < 0 && len(ids) > 0 {
			return ids, id
		}
		ids = append(ids, id)
	}
	return ids, ""
}

// good learns from a request that succeeded.
func (z *sizer) good(asked int, took time.Duration, bytes int) {
	switch {
	case took > slowAnswer:
		z.ids, z.failed = max(1, asked/2), true
	case asked < z.ids: // it did not show what the size can do
	case z.failed:
		z.ids += z.ids/8 + 1
	default:
		z.ids *= 2
	}
	if bytes > 0 && asked > 0 {
		z.ids = min(z.ids, max(1, int(int64(asked)*wideAnswer/int64(bytes))))
	}
	z.ids = min(z.ids, maxIDs)
}

// bad learns from one that failed for its size, as it seems.
func (z *sizer) bad(asked int) { z.ids, z.failed = max(1, min(z.ids, asked/2)), true }

// item is some ids to be asked for.
type item struct {
	ids     []string
	second  bool // asked for before and not returned, or not wholly
	patient bool // the client may try as often as it does: asking for less would not help
	blocked bool // halved once for a web page with status 403
}

// halves cuts an item in two.
func (i item) halves() []item {
	if len(i.ids) < 2 {
		return []item{i}
	}
	a, b := i, i
	a.ids, b.ids = i.ids[:len(i.ids)/2], i.ids[len(i.ids)/2:]
	return []item{a, b}
}

// fetch is a request under way.
type fetch struct {
	item   item
	cancel context.CancelFunc
	done   chan struct{}
	desk   *desk
	answer *answer
	torn   error // the answer is not whole CSV
	err    error
	took   time.Duration
}

// desk is what a response is read into; two take turns.
type desk struct {
	text  bytes.Buffer
	sheet sheet
}

// start sends the request for an item, and splits the answer, on a goroutine of its own: the one prefetch, which runs
// while the batch before is loaded. Whoever starts one waits for it, or stops it.
func (s *Source) start(ctx context.Context, p *snapshot, i item, d *desk) *fetch {
	f := &fetch{item: i, desk: d, done: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(ctx)
	q := s.recordQuestion(p, i.ids)
	if i.patient {
		q.tries = 0
	}
	began := s.cfg.Now()
	go func() {
		defer close(f.done)
		f.answer, f.err = s.ask(ctx, q, &d.text)
		f.took = s.cfg.Now().Sub(began)
		if f.err == nil {
			f.torn = d.sheet.split(f.answer.body)
		}
	}()
	return f
}

func (f *fetch) wait() {
	<-f.done
	f.cancel()
}

// stop ends a request that nobody needs any more, and waits until it is over.
func (f *fetch) stop() {
	if f != nil {
		f.cancel()
		<-f.done
	}
}

// fault completes the error of an answer that could not be used.
func (s *Source) fault(i item, e *extract.Error) *extract.Error {
	e.What = "export records"
	e.Where = fmt.Sprintf("%s record, %d ids", s.cfg.Server, len(i.ids))
	return e
}

// sizeMatters reports whether a failure may be one of size: 500, 502, 503, 504, 408, or too slow. That a server cannot
// be reached at all is not.
func sizeMatters(err error) bool {
	var refusal *upstream.Refusal
	if errors.As(err, &refusal) {
		return refusal.Status == http.StatusRequestTimeout || refusal.Status >= http.StatusInternalServerError
	}
	return errors.Is(err, upstream.ErrTimeout)
}
