package engage

import (
	"context"
	"regexp"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// testPath is what only says whether a key is let in (reference 5).
	testPath = "test"
	// toldMessages and toldLength bound what is shown of the server's own words.
	toldMessages = 20
	toldLength   = 300
)

// Test asks the server whether it lets us in, and returns what it says: its own words, cut, and without our keys. ok is
// false where it answered and does not say that all is well, as it does for a key in debug mode. KindAuth in err says
// that it refused without a reason.
func (c *Client) Test(ctx context.Context) (messages []string, ok bool, err error) {
	messages, ok, err = c.test(ctx)
	if err == nil && !ok && c.recover(ctx) { // in debug mode a wrong clock is told in words and not by the status
		messages, ok, err = c.test(ctx)
	}
	if ok {
		c.accepted.Store(true)
	}
	return messages, ok, err
}

func (c *Client) test(ctx context.Context) (messages []string, ok bool, err error) {
	_, err = c.Page(ctx, testPath, nil, 1, 1, func(item jsontext.Value) error {
		messages = append(messages, c.told(ctx, item)...)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	ok = len(messages) == 0
	for _, m := range messages {
		ok = ok || strings.EqualFold(strings.Trim(m, " .!"), "success")
	}
	return messages[:min(len(messages), toldMessages)], ok, nil
}

// told reads the messages of an item. What has another shape says nothing.
func (c *Client) told(ctx context.Context, item jsontext.Value) (messages []string) {
	var read struct {
		Messages []string `json:"messages"`
	}
	if err := json.Unmarshal(item, &read, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil
	}
	for _, m := range read.Messages {
		messages = append(messages, c.clean(ctx, m))
	}
	return messages
}

// digits is what a hash looks like, which is as good as a key for 30 s.
var digits = regexp.MustCompile(`[0-9A-Fa-f]{32,}`)

// clean makes words of the server fit to be shown.
func (c *Client) clean(ctx context.Context, text string) string {
	for _, read := range []func(context.Context) (string, error){c.cfg.PublicKey, c.cfg.PrivateKey, c.cfg.APIKey} {
		if read == nil {
			continue
		}
		if key, err := read(ctx); err == nil && strings.TrimSpace(key) != "" {
			hide := regexp.MustCompile(`(?i)` + regexp.QuoteMeta(strings.TrimSpace(key)))
			text = hide.ReplaceAllLiteralString(text, "[key]")
		}
	}
	text = digits.ReplaceAllLiteralString(text, "[hash]")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if cut := []rune(text); len(cut) > toldLength {
		text = string(cut[:toldLength]) + "..."
	}
	return strings.TrimSpace(text)
}
