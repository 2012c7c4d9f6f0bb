package config

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

func assignText(field reflect.Value, k key, n *node) string {
	if reason := checkText(n.text, k.oneof); reason != "" {
		return reason
	}
	text := n.text
	if k.path && text != "" {
		text = n.resolve(text)
	}
	field.SetString(text)
	return ""
}

func assignList(field reflect.Value, k key, n *node) string {
	items := make([]string, 0, len(n.kids))
	for _, e := range n.kids {
		if e.kind != textKind {
			return "must be a list of texts; one of its elements is " + e.kind.String()
		}
		if e.text == "" {
			return "has an empty element"
		}
		if slices.Contains(items, e.text) {
			return "names " + shown(e.text) + " twice"
		}
		if reason := checkText(e.text, k.oneof); reason != "" {
			return "element " + shown(e.text) + " " + reason
		}
		items = append(items, e.text)
	}
	field.Set(reflect.ValueOf(items))
	return ""
}

func wholeNumber(n *node) (int, string) {
	i, err := strconv.ParseInt(n.text, 0, 32)
	if err != nil {
		return 0, "a whole number that fits into 32 bits"
	}
	return int(i), ""
}

func assignNumbers(field reflect.Value, n *node) string {
	items := make([]int, 0, len(n.kids))
	for _, e := range n.kids {
		if e.kind != numberKind {
			return "must be a list of whole numbers; one of its elements is " + e.kind.String()
		}
		i, reason := wholeNumber(e)
		switch {
		case reason != "":
			return "has an element that is not " + reason
		case slices.Contains(items, i):
			return "names " + strconv.Itoa(i) + " twice"
		}
		items = append(items, i)
	}
	field.Set(reflect.ValueOf(items))
	return ""
}

// assignTexts takes a table of texts by name; numbers and booleans stand for their text.
func assignTexts(field reflect.Value, n *node) string {
	texts := map[string]string{}
	for _, e := range n.kids {
		if e.kind != textKind && e.kind != numberKind && e.kind != boolKind {
			return shown(e.key) + " must be a text, not " + e.kind.String()
		}
		if reason := checkText(e.text, nil); reason != "" {
			return shown(e.key) + " " + reason
		}
		texts[e.key] = e.text
	}
	field.Set(reflect.ValueOf(texts))
	return ""
}

func checkText(text string, oneof []string) string {
	if len(oneof) > 0 && !slices.Contains(oneof, text) {
		return "must be " + strings.Join(oneof, " or ") + didYouMean(text, oneof)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }); i >= 0 {
		return "holds a control character"
	}
	return ""
}

// assignSecrets takes references to secrets, each once.
func assignSecrets(field reflect.Value, k key, n *node) string {
	all := make([]Secret, 0, len(n.kids))
	for i, e := range n.kids {
		if e.kind != textKind {
			return "must be a list of references to secrets; one of its elements is " + e.kind.String()
		}
		s, reason := k.parseSecret(e)
		switch {
		case reason != "":
			return "element " + strconv.Itoa(i+1) + " " + reason
		case slices.Contains(all, s):
			return "refers to the same secret twice"
		}
		all = append(all, s)
	}
	field.Set(reflect.ValueOf(all))
	return ""
}

// parseSecret reads a reference or, where the key takes one, an id that is no secret and stands in the file itself.
func (k key) parseSecret(n *node) (Secret, string) {
	scheme, _, _ := strings.Cut(n.text, ":")
	if !k.plain || slices.Contains([]string{"env", "file", "cred", "cmd"}, scheme) {
		return parseSecret(n.text, n.resolve)
	}
	if reason := badSecret(n.text); reason != "" {
		return Secret{}, "must be an id or " + secretForms + ": " + reason
	}
	return Secret{scheme: "plain", arg: n.text}, ""
}

// duration reads what time.ParseDuration does, and whole days: 90d.
func duration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}

// bytesOf reads a number of bytes with its unit: 64MiB.
func bytesOf(text string) (int64, bool) {
	for unit, shift := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(strings.TrimSuffix(number, " "), 10, 31)
			return int64(n) << shift, err == nil && n > 0 && int64(n)<<shift <= math.MaxInt32
		}
	}
	return 0, false
}
