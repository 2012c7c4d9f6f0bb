package auth

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// canonicalPath makes the path as it is signed of the path as it was sent. Every service but s3 removes dots and doubled
// slashes and encodes what is encoded already once more (AWS, "Create a signed API request", step 1).
func canonicalPath(sent string, s3, tidy bool) string {
	if s3 {
		return encode(decode(sent), "/")
	}
	if tidy {
		sent = tidyPath(sent)
	}
	return encode(sent, "/")
}

// tidyPath removes dot segments and empty ones; a slash at the end stays.
func tidyPath(path string) string {
	var kept []string
	for part := range strings.SplitSeq(path, "/") {
		switch part {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, part)
		}
	}
	tidy := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && (strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")) {
		tidy += "/"
	}
	return tidy
}

// canonicalQuery encodes the parameters anew and sorts them by name, then by value: "Param" before "Param-3", which sorting
// joined pairs would turn round.
func canonicalQuery(sent string) string {
	if sent == "" {
		return ""
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(sent, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, [2]string{encode(decode(name), ""), encode(decode(value), "")})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var out strings.Builder
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(p[0] + "=" + p[1])
	}
	return out.String()
}

// canonicalHeaders writes the headers that are signed, each on a line; ok is false where one of them was not sent.
func canonicalHeaders(r *http.Request, host string, names []string) (lines string, ok bool) {
	var out strings.Builder
	for _, name := range names {
		values := headerValues(r, host, name)
		if len(values) == 0 {
			return "", false
		}
		for i, v := range values {
			values[i] = fold(v)
		}
		out.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return out.String(), true
}

// headerValues finds a header, also those that net/http takes out of the others.
func headerValues(r *http.Request, host, name string) []string {
	switch name {
	case "host":
		return []string{host}
	case "content-length":
		if r.ContentLength >= 0 {
			return []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		return nil
	case "transfer-encoding":
		return slices.Clone(r.TransferEncoding)
	}
	return slices.Clone(r.Header.Values(name))
}

// fold takes blanks off both ends, and makes one of several between.
func fold(value string) string {
	return strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' }), " ")
}

// encode writes bytes as RFC 3986 has them: unreserved ones, and those in keep, as they are, all others as %XX.
func encode(s, keep string) string {
	const unreserved = base64url + ".~"
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(unreserved, c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			out.WriteByte(c)
		} else {
			out.WriteByte('%')
			out.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return out.String()
}

// decode undoes %XX and leaves all else as it is, a plus and a broken escape included.
func decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				out = append(out, b[0])
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
