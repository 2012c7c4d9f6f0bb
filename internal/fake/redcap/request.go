package redcap

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Request is what was asked of the server and what it answered, without token, values and names of records.
type Request struct {
	At                            time.Time
	Project                       int // project id; 0: the token is not known
	Content, Action, Format, Type string
	IDs                           int      // names in records[]
	Fields, Forms, Events         []string // as asked
	DateRange, Filter             bool
	Window                        time.Duration // of a log or date range, up to now where no end is sent; without a beginning the longest there is
	Variables                     int           // parameters sent
	BodyBytes                     int64         // of the request
	Status                        int
	ResponseBytes                 int64
	Fault                         Kind // what was done to the answer
	Write                         bool // a method that changes the project, or that mints a link or code
	Encoding                      string

	// Params are all parameters but the token, for tests that look closely; records[] only up to 100 names.
	Params url.Values
}

// params are the parameters in the order in which they were sent.
type params struct {
	names  []string
	values []string
	last   map[string]int // where a name came last
}

// index makes the look-up of scalars.
func (p *params) index() {
	p.last = make(map[string]int, len(p.names))
	for i, n := range p.names {
		p.last[n] = i
	}
}

// errTooLarge is a body beyond what the web server takes.
var errTooLarge = errors.New("request body is too large")

// parseBody reads a form, dropping what comes after limit variables as PHP does.
func parseBody(r *http.Request, limit int) (params, int64, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return params{}, int64(len(body)), err
	}
	if len(body) == 64<<20 {
		return params{}, int64(len(body)), errTooLarge
	}
	kind, args, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var out params
	if kind == "multipart/form-data" {
		out, err = parseParts(body, args["boundary"])
	} else {
		out = parseForm(string(body))
	}
	if limit > 0 && len(out.names) > limit {
		out.names, out.values = out.names[:limit], out.values[:limit]
	}
	out.index()
	return out, int64(len(body)), err
}

func parseForm(body string) params {
	var out params
	for body != "" {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		name, value, _ := strings.Cut(pair, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if pair == "" || err1 != nil || err2 != nil {
			continue
		}
		out.names, out.values = append(out.names, n), append(out.values, v)
	}
	return out
}

func parseParts(body []byte, boundary string) (params, error) {
	var out params
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return out, err
		}
		out.names, out.values = append(out.names, part.FormName()), append(out.values, string(value))
	}
}

// get returns the last value of a scalar parameter, as PHP does.
func (p params) get(name string) string {
	if i, ok := p.last[name]; ok {
		return p.values[i]
	}
	return ""
}

func (p params) has(name string) bool {
	_, ok := p.last[name]
	return ok
}

// list returns an array parameter: name[0]=a&name[1]=b, name[]=a&name[]=b, or name=a,b.
func (p params) list(name string) []string {
	type item struct {
		at    int
		value string
	}
	var items []item
	for i, n := range p.names {
		rest, ok := strings.CutPrefix(n, name)
		switch {
		case !ok:
		case rest == "":
			for _, v := range strings.Split(p.values[i], ",") {
				if v = strings.TrimSpace(v); v != "" {
					items = append(items, item{len(items), v})
				}
			}
		case strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]"):
			at, err := strconv.Atoi(rest[1 : len(rest)-1])
			if err != nil {
				at = len(items)
			}
			items = append(items, item{at, p.values[i]})
		}
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].at < items[j].at })
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.value
	}
	return out
}

// describe makes the Request of a call.
func (p params) describe(r *http.Request, at time.Time, size int64, zone *time.Location) *Request {
	rq := &Request{
		At: at, Content: p.get("content"), Action: p.get("action"), Format: p.get("format"), Type: p.get("type"),
		IDs: len(p.list("records")), Fields: p.list("fields"), Forms: p.list("forms"), Events: p.list("events"),
		DateRange: p.has("dateRangeBegin") || p.has("dateRangeEnd"), Filter: p.get("filterLogic") != "",
		Variables: len(p.names), BodyBytes: size, Encoding: r.Header.Get("Accept-Encoding"), Params: url.Values{},
	}
	if rq.Format == "" {
		rq.Format = "xml"
	}
	for i, n := range p.names {
		if n != "token" && (rq.IDs <= 100 || !strings.HasPrefix(n, "records")) {
			rq.Params.Add(n, p.values[i])
		}
	}
	rq.Window = p.window(at, zone)
	rq.Write = writes(rq.Content, rq.Action, p.has("data") || p.has("odm") || p.has("file"))
	return rq
}

// window measures how much time a call asks for.
func (p params) window(now time.Time, zone *time.Location) time.Duration {
	read := func(names ...string) (time.Time, bool) {
		for _, n := range names {
			for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
				if t, err := time.ParseInLocation(layout, p.get(n), zone); err == nil {
					return t, true
				}
			}
		}
		return now, false
	}
	begin, known := read("beginTime", "dateRangeBegin")
	end, _ := read("endTime", "dateRangeEnd")
	if !known {
		return math.MaxInt64
	}
	return end.Sub(begin)
}

// writes tells whether a method changes anything at the server.
func writes(content, action string, data bool) bool {
	switch action {
	case "import", "delete", "rename", "switch", "randomize", "createFolder":
		return true
	}
	switch content {
	case "project_settings", "surveyLink", "surveyQueueLink", "surveyReturnCode", "surveyAccessCode":
		return true
	}
	return data
}
