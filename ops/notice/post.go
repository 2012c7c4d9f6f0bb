package notice

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"syncd/extract"
	"syncd/extract/upstream"
)

// Kind is a way to tell: who takes the message.
type Kind string

// The kinds.
const (
	Slack   Kind = "slack"
	Teams   Kind = "teams"
	Webhook Kind = "webhook"
	Email   Kind = "email"
)

const (
	postTries   = 3
	postTimeout = 15 * time.Second
	postAnswer  = 64 << 10 // bytes of an answer, which are not looked at
	perMinute   = 30
	slackMost   = 3500 // characters of one message
)

// Post sends messages as one JSON POST. The URL is a secret: whoever has it can write there.
type Post struct {
	Name    string
	Kind    Kind
	URL     func(context.Context) (string, error)
	Reach   upstream.Config
	Version string
	Log     *slog.Logger
	Wait    time.Duration // before the second attempt; 0: as upstream has it
}

// Send sends one message. No redirect is followed, and nothing is sent to a peer that was not verified.
func (p *Post) Send(ctx context.Context, m Message) error {
	raw, err := p.URL(ctx)
	if err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return p.fault(extract.Errorf(extract.KindConfig, "", "url is not a URL"))
	}
	if u.User != nil || u.Fragment != "" {
		return p.fault(extract.Errorf(extract.KindConfig, "", "url may hold no user, password or fragment"))
	}
	query := u.Query()
	path := u.Path
	u.RawQuery, u.ForceQuery, u.Path, u.RawPath = "", false, "/", ""
	reach := p.Reach
	reach.Timeout = postTimeout
	client, err := upstream.New(reach, upstream.Endpoint{
		Name: "notify." + p.Name, URL: u.String(), Version: p.Version, Log: p.Log, Tries: postTries, Budget: upstream.PerMinute(perMinute), MaxBody: postAnswer, Wait: p.Wait,
	})
	if err != nil {
		return p.fault(err)
	}
	defer client.Close()
	body, err := p.body(m)
	if err != nil {
		return p.fault(extract.Errorf(extract.KindInternal, "", "make its JSON: %w", err))
	}
	r := upstream.Request{Resource: "message", Method: http.MethodPost, Path: strings.TrimPrefix(path, "/"), Query: query, ContentType: "application/json", Body: body}
	err = client.Do(ctx, r, func(resp *upstream.Response) error {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	})
	var refusal *upstream.Refusal
	if errors.As(err, &refusal) && refusal.Status/100 == 2 {
		return nil // 202 or 204: taken, without an answer
	}
	return p.fault(err)
}

// fault says what went wrong without the path of the URL, which is the secret, and without the other side's words.
func (p *Post) fault(err error) error {
	if err == nil {
		return nil
	}
	e := &extract.Error{Kind: extract.KindOf(err), What: "send message", Where: "notify." + p.Name, Next: "syncd notify test " + p.Name}
	var refusal *upstream.Refusal
	var known *extract.Error
	switch {
	case errors.As(err, &refusal):
		e.Cause = refusal
	case errors.As(err, &known):
		e.Cause = known.Cause
	default:
		e.Cause = errors.New("it was not taken")
	}
	if errors.As(err, &known) {
		e.After = known.After
	}
	return e
}

// body is the message as its taker wants it. Words of ours are no markup anywhere.
func (p *Post) body(m Message) ([]byte, error) {
	switch p.Kind {
	case Slack:
		text := m.Title + "\n" + m.Text
		if len(text) > slackMost {
			text = text[:slackMost] + " ..."
		}
		return json.Marshal(map[string]any{"text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text), "mrkdwn": false})
	case Teams:
		return json.Marshal(card(m))
	}
	return m.encode()
}

// card is the message as an adaptive card: RichTextBlock, unlike TextBlock, knows no Markdown.
func card(m Message) map[string]any {
	run := func(text string, bold bool) map[string]any {
		inline := map[string]any{"type": "TextRun", "text": text}
		if bold {
			inline["weight"] = "Bolder"
		}
		return map[string]any{"type": "RichTextBlock", "inlines": []any{inline}}
	}
	blocks := []any{run(m.Title, true)}
	for line := range strings.SplitSeq(m.Text, "\n") {
		blocks = append(blocks, run(line, false))
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": blocks},
	}}}
}
