package upstream

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// leaks reports whether text holds the canary, as it is or in one of the dresses that secrets travel in.
func leaks(text string) bool {
	text = strings.ToLower(text)
	for _, dress := range []string{
		canary, url.QueryEscape(canary), hex.EncodeToString([]byte(canary)), reversed(canary), canary[:16], canary[16:],
		base64.StdEncoding.EncodeToString([]byte(canary))[:20], base64.StdEncoding.EncodeToString([]byte("token=" + canary))[10:30],
		fmt.Sprint([]byte(canary))[1:40],
	} {
		if strings.Contains(text, strings.ToLower(dress)) {
			return true
		}
	}
	return false
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// everyPrint is err in all the ways in which somebody might print it, and those that it wraps.
func everyPrint(err error) string {
	asJSON, _ := json.Marshal(err)
	text := fmt.Sprintf("%s %v %+v %#v %q %s", err, err, err, err, err, asJSON)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			text += everyPrint(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			text += everyPrint(inner)
		}
	}
	return text
}
