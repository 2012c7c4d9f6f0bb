package engage

import (
	"slices"
	"testing"
)

func TestAccessSaysWhatContradictsItself(t *testing.T) {
	const public, private, api = 1, 2, 4
	for name, v := range map[string]struct {
		access  Access
		secrets int
		want    []string // keys at fault
	}{
		"signed by default":      {Access{}, public | private, nil},
		"signed with all":        {Access{Auth: "signed", Hash: "md5", IP: "203.0.113.7"}, public | private, nil},
		"address of a page":      {Access{IP: "auto:https://ip.example.edu/"}, public | private, nil},
		"header":                 {Access{Auth: "header"}, api, nil},
		"no keys":                {Access{}, 0, []string{"public_key", "private_key"}},
		"a key of the other way": {Access{}, public | private | api, []string{"api_key"}},
		"header signed":          {Access{Auth: "header", Hash: "md5", IP: "203.0.113.7"}, public | private, []string{"api_key", "public_key", "private_key", "hash", "ip"}},
		"unknown algorithm":      {Access{Hash: "sha1"}, public | private, []string{"hash"}},
		"IPv6":                   {Access{IP: "2001:db8::7"}, public | private, []string{"ip"}},
		"mapped":                 {Access{IP: "::ffff:203.0.113.7"}, public | private, []string{"ip"}},
		"a range":                {Access{IP: "203.0.113.0/24"}, public | private, []string{"ip"}},
		"leading zeros":          {Access{IP: "203.0.113.007"}, public | private, []string{"ip"}},
		"a blank":                {Access{IP: " 203.0.113.7"}, public | private, []string{"ip"}},
		"auto without a page":    {Access{IP: "auto:"}, public | private, []string{"ip"}},
		"unknown auth":           {Access{Auth: "basic"}, public | private, []string{"auth"}},
	} {
		var got []string
		for _, m := range v.access.Check(v.secrets&public != 0, v.secrets&private != 0, v.secrets&api != 0) {
			got = append(got, m.Key)
		}
		if !slices.Equal(got, v.want) {
			t.Errorf("%s: at fault %v, want %v", name, got, v.want)
		}
	}
}
