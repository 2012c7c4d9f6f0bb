package redcap

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

func TestNamesOfFilesAreTakenAsServersWriteThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, disposition, wantKind, wantName string }{
		{`image/jpeg; name="mugshot-1.jpg"`, "", "image/jpeg", "mugshot-1.jpg"},
		{`image/jpeg; name="mugshot-1.jpg";charset=UTF-8`, "", "image/jpeg", "mugshot-1.jpg"},
		{`application/msword; name='FILE.docx'`, "", "application/msword", "FILE.docx"},
		{`text/plain; name=a b.txt;charset=UTF-8`, "", "text/plain", "a b.txt"},
		{`text/plain; name=a b.txt`, "", "text/plain", "a b.txt"},
		{`text/plain; name="a;b 'c' "d".txt"`, "", "text/plain", `a;b 'c' "d".txt`},
		{`text/plain; name="Zoë.txt"; charset=utf-8`, "", "text/plain", "Zoë.txt"},
		{"application/pdf", `attachment; filename="plan.pdf"`, "application/pdf", "plan.pdf"},
		{"application/pdf", `attachment; filename=pl an.pdf`, "application/pdf", "pl an.pdf"},
		{"Text/HTML", "", "text/html", ""},
		{`image/png; name="`, "", "image/png", ""},
		{"image/png; name=\"\xff\"", "", "image/png", ""},
		{"", "", "", ""},
	} {
		h := http.Header{}
		h.Set("Content-Type", test.kind)
		if test.disposition != "" {
			h.Set("Content-Disposition", test.disposition)
		}
		if kind, name := describeFile(h); kind != test.wantKind || name != test.wantName {
			t.Errorf("%q, %q: %q, %q; want %q, %q", test.kind, test.disposition, kind, name, test.wantKind, test.wantName)
		}
	}
}

func TestEveryWayOfNamingADownloadIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, rule := range []fake.FileNameRule{fake.NameQuoted, fake.NameWithCharset, fake.NameSingle, fake.NameBare, fake.NameDisposition} {
		p := clinic(t, fake.Field{Name: "page", Type: "file"})
		add(t, p, "1", map[string]string{})
		put(t, p, "1", "page", "error.html", "<html>ERROR: a file that looks like a page</html>")
		_, url := serve(t, fake.Options{FileNames: rule, Documents: true}, p)
		s := newStore(t)
		mustPull(t, source(t, url, p.Token(), filesOf(filesContents)), s)
		row := s.row("_meta.redcap_file", "1", "", "1", "page")
		if row["file_name"] != "error.html" || row["sha256"] == "" {
			t.Errorf("rule %d: %v", rule, row)
		}
	}
}

func FuzzDescribeFile(f *testing.F) {
	f.Add(`image/jpeg; name="a.jpg";charset=UTF-8`, "")
	f.Add("", `attachment; filename='x'`)
	f.Fuzz(func(t *testing.T, kind, disposition string) {
		h := http.Header{"Content-Type": {kind}, "Content-Disposition": {disposition}}
		k, n := describeFile(h)
		if !storable([]byte(k)) || !storable([]byte(n)) {
			t.Error("what Postgres cannot hold")
		}
	})
}

func TestFilesThatCannotBeHadAreToldAndStopNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer  *canned
		problem string
		again   bool // a run by changes tries again
	}{
		"none":     {&canned{status: http.StatusBadRequest, body: `{"error":"There is no file to download for this record"}`}, problemRefused, false},
		"no right": {&canned{status: http.StatusBadRequest, body: `{"error":"You do not have permission to export the instrument of the field 'x'"}`}, problemRefused, false},
		"large":    {&canned{header: map[string]string{"Content-Type": `image/png; name="x"`}, body: strings.Repeat("x", fileBytes+1)}, problemLarge, false},
		"error":    {&canned{body: `{"error":"There is no file to download for this record"}`}, problemServer, true},
		"page":     {&canned{body: "<html>offline</html>"}, problemServer, true},
		"down":     {&canned{status: http.StatusBadGateway}, problemServer, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := archive(t)
			broken := true
			at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
				if broken && form.Get("content") == "file" && form.Get("record") == "1" && form.Get("field") == "photo" {
					return test.answer
				}
				return nil
			})
			s := newStore(t)
			structure, proof := mustPull(t, source(t, at, p.Token(), filesOf(filesContents)), s)
			row := s.row("_meta.redcap_file", "1", "", "1", "photo")
			if row["content_problem"] != test.problem || row["sha256"] != "" || row["file_name"] != "cat.png" {
				t.Errorf("row %v", row)
			}
			wantWarning(t, proof.Warnings, "1 files have no content", test.problem)
			if other := s.row("_meta.redcap_file", "2", "", "1", "photo"); other["sha256"] == "" || len(structure.Warnings) > 0 {
				t.Errorf("another file %v, warnings %q", other, structure.Warnings)
			}
			if f := factsOf([]string{"", "", "", "", row["content_problem"]}); f.settled(false) == test.again || f.settled(true) {
				t.Error("it is tried again at the wrong time")
			}
			broken = false
			mustPull(t, source(t, at, p.Token(), filesOf(filesContents)), s)
			if got := s.row("_meta.redcap_file", "1", "", "1", "photo"); got["sha256"] != sha("a cat") || got["content_problem"] != "" {
				t.Errorf("a full run does not make it good: %v", got)
			}
		})
	}
}

func TestAServerThatAnswersNoFileAtAllEndsTheRun(t *testing.T) {
	t.Parallel()
	p := archive(t)
	for i := range 6 {
		add(t, p, itoa(10+i), map[string]string{"memo": "x"})
		put(t, p, itoa(10+i), "photo", "x.png", "x")
	}
	at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
		if form.Get("content") == "file" {
			return &canned{body: "<html>offline</html>"}
		}
		return nil
	})
	if _, _, err := pullInto(t, source(t, at, p.Token(), filesOf(filesContents)), newStore(t)); err == nil {
		t.Error("every file of the project was given up")
	}
}

func TestContentsAreStoredOnceAndMatchTheServersDigest(t *testing.T) {
	t.Parallel()
	p := archive(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	big = append(big, '!')
	if err := p.AddFile("3", fake.Place{}, "photo", "big.bin", big); err != nil {
		t.Fatal(err)
	}
	put(t, p, "3", "sign", "empty.txt", "")
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	_, proof := mustPull(t, source(t, url, p.Token(), filesOf(filesContents)), s)
	for _, at := range [][2]string{{"1", "photo"}, {"1", "sign"}, {"2", "photo"}, {"3", "photo"}, {"3", "sign"}} {
		want, ok := p.Digest(at[0], fake.Place{}, at[1])
		row := s.row("_meta.redcap_file", at[0], "", "1", at[1])
		if !ok || row["sha256"] != sha2(want) || row["read_at"] == "" || row["content_problem"] != "" {
			t.Errorf("file %v: %v", at, row)
		}
		parts := 0
		var whole []byte
		for {
			part := s.row("_meta.redcap_file_content", row["sha256"], itoa(parts+1))
			if part == nil {
				break
			}
			whole = append(whole, unhex(t, part["content"])...)
			if n := len(part["content"]); n > 2+2*partOfFile {
				t.Errorf("a part has %d characters", n)
			}
			parts++
		}
		if sha(string(whole)) != row["sha256"] || itoa(len(whole)) != row["bytes"] || parts == 0 {
			t.Errorf("file %v: %d bytes in %d parts", at, len(whole), parts)
		}
	}
	if n := s.count("_meta.redcap_file_content"); n != 1+1+3+1 { // cat, name, three parts, nothing
		t.Errorf("%d parts stored, want 6", n)
	}
	if len(proof.Warnings) > 0 {
		t.Errorf("warnings %q", proof.Warnings)
	}
	if kind := s.row("_meta.redcap_file", "1", "", "1", "photo")["content_type"]; kind != "image/png" {
		t.Errorf("type %q", kind)
	}
}

func TestAContentThatIsStoredIsNotHandedOnAgain(t *testing.T) {
	t.Parallel()
	p := archive(t)
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), filesOf(filesContents)), s)
	put(t, p, "3", "photo", "third.png", "a cat")
	put(t, p, "3", "sign", "fourth.png", "a fourth")
	src := source(t, url, p.Token(), filesOf(filesContents))
	if _, err := src.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	given := 0
	_, err := src.Pull(t.Context(), extract.Since{Full: true, Stored: s}, func(b *extract.Batch) error {
		for _, rows := range b.Rows {
			if rows.Table.Name == "redcap_file_content" {
				given += rows.Len()
			}
		}
		return s.load(b)
	})
	if err != nil || given != 1 || s.row("_meta.redcap_file", "3", "", "1", "photo")["sha256"] != sha("a cat") {
		t.Errorf("%d parts were handed on, want the one that is new: %v", given, err)
	}
}
