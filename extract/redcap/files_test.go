package redcap

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// archive makes a classic project with two file fields, and files in them.
func archive(t testing.TB) *fake.Project {
	t.Helper()
	p := emptyArchive(t)
	fillArchive(t, p)
	return p
}

func emptyArchive(t testing.TB) *fake.Project {
	t.Helper()
	return clinic(t, text("memo"), fake.Field{Name: "photo", Type: "file"}, fake.Field{Name: "sign", Type: "file", Validation: "signature", Identifier: "y"})
}

func fillArchive(t testing.TB, p *fake.Project) {
	t.Helper()
	for _, id := range []string{"1", "2", "3"} {
		add(t, p, id, map[string]string{"memo": id})
	}
	put(t, p, "1", "photo", "cat.png", "a cat")
	put(t, p, "1", "sign", "signature_2026.png", "a name")
	put(t, p, "2", "photo", "dog.png", "a cat") // the same bytes
}

// archiveSite is an archive on a server whose clock the test moves, an hour after it was filled.
func archiveSite(t testing.TB, o fake.Options) *site {
	t.Helper()
	p := emptyArchive(t)
	s := newSite(t, p, o)
	fillArchive(t, p)
	s.now = s.now.Add(time.Hour)
	return s
}

func put(t testing.TB, p *fake.Project, id, field, name, content string) {
	t.Helper()
	if err := p.AddFile(id, fake.Place{}, field, name, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func filesOf(how string) func(*Config) { return options(Options{Files: how}) }

// downloads counts the files that were asked for.
func downloads(s *fake.Server) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Content == "file" {
			n++
		}
	}
	return n
}

func TestFileNamesAreRowsOfTheirRecord(t *testing.T) {
	t.Parallel()
	p := archive(t)
	put(t, p, "3", "photo", "bird.png", "a bird")
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), filesOf(filesNames)), s)
	row := func(id, field, name string) map[string]string {
		return map[string]string{"record_id": id, "redcap_event_name": "", "redcap_repeat_instance": "1", "field_name": field, "file_name": name}
	}
	wantRows(t, s, "_meta.redcap_file", map[string]map[string]string{
		"1||1|photo": row("1", "photo", "cat.png"), "1||1|sign": row("1", "sign", "signature_2026.png"), "2||1|photo": row("2", "photo", "dog.png"),
		"3||1|photo": row("3", "photo", "bird.png"),
	})
	if n := downloads(server); n > 0 || s.tables["_meta.redcap_file_content"] != nil {
		t.Errorf("%d files were read although names alone are pulled", n)
	}
	if err := p.RemoveFile("1", fake.Place{}, "sign"); err != nil {
		t.Fatal(err)
	}
	put(t, p, "2", "photo", "wolf.png", "a wolf")
	if err := p.Delete("3"); err != nil {
		t.Fatal(err)
	}
	mustPull(t, source(t, url, p.Token(), filesOf(filesNames)), s)
	wantRows(t, s, "_meta.redcap_file", map[string]map[string]string{
		"1||1|photo": row("1", "photo", "cat.png"), "2||1|photo": row("2", "photo", "wolf.png"),
	})
}

func TestAContentIsReadAgainOnlyWhenTheNameOrTheLogSaysSo(t *testing.T) {
	t.Parallel()
	s := archiveSite(t, fake.Options{})
	p := s.project
	s.must(false, filesOf(filesContents))
	if n := downloads(s.server); n != 3 {
		t.Fatalf("%d files were read at first, want 3", n)
	}
	before := s.store.rows("_meta.redcap_file")
	s.now = s.now.Add(3 * time.Hour)
	if err := p.Set("1", "", "", 0, "memo", "changed"); err != nil {
		t.Fatal(err)
	}
	s.must(false, filesOf(filesContents))
	if n := downloads(s.server); n != 0 || !slices.Contains(s.read, "1") {
		t.Errorf("%d files were read for a change of another field; records %v", n, s.read)
	}
	if diff := cmp.Diff(before, s.store.rows("_meta.redcap_file")); diff != "" {
		t.Errorf("unchanged rows changed: %s", diff)
	}
	s.now = s.now.Add(time.Hour)
	if err := p.ReplaceFile("1", fake.Place{}, "photo", "cat.png", []byte("another cat")); err != nil { // the log alone tells
		t.Fatal(err)
	}
	put(t, p, "2", "photo", "wolf.png", "a wolf")
	s.now = s.now.Add(time.Hour)
	s.must(false, filesOf(filesContents))
	for id, want := range map[string]string{"1": sha("another cat"), "2": sha("a wolf")} {
		if got := s.store.row("_meta.redcap_file", id, "", "1", "photo")["sha256"]; got != want {
			t.Errorf("record %s has the old content", id)
		}
	}
	if n := downloads(s.server); n != 3 { // both of record 1: the log does not say which
		t.Errorf("%d files were read, want 3", n)
	}
	s.now = s.now.Add(2 * time.Hour) // the rows of the log are within the time that is looked at again
	s.must(false, filesOf(filesContents))
	if n := downloads(s.server); n != 0 {
		t.Errorf("%d files were read again for what the log had told before", n)
	}
	if n := s.store.count("_meta.redcap_file_content"); n != 4 {
		t.Errorf("%d contents, want the old ones until everything is looked at", n)
	}
	s.must(true, filesOf(filesContents))
	if n := s.store.count("_meta.redcap_file_content"); n != 3 || downloads(s.server) != 0 {
		t.Errorf("%d contents after a full run that read %d files, want 3 and 0", n, downloads(s.server))
	}
}

func TestWithoutTheLogARecordThatIsReadAgainHasItsFilesReadAgainNowAndThen(t *testing.T) {
	t.Parallel()
	s := archiveSite(t, fake.Options{})
	p := s.project
	p.Rights(func(u *fake.User) { u.Logging = false })
	s.must(false, filesOf(filesContents))
	for hours, want := range []int{1: 1, 2: 3} {
		if hours == 0 {
			continue
		}
		s.now = s.now.Add(time.Duration(hours) * 7 * time.Hour)
		put(t, p, "2", "photo", "dog "+itoa(hours)+".png", "a dog") // another name is always seen
		if err := p.AddFile("1", fake.Place{}, "photo", "cat.png", []byte("cat "+itoa(hours))); err != nil {
			t.Fatal(err)
		}
		s.must(false, filesOf(filesContents))
		if n := downloads(s.server); n != want {
			t.Errorf("step %d: %d files were read, want %d", hours, n, want)
		}
	}
	if got := s.store.row("_meta.redcap_file", "1", "", "1", "photo")["sha256"]; got != sha("cat 2") {
		t.Error("the content that was replaced under the same name is not seen")
	}
}

func TestFilesOfRepeatsAndEventsAreAskedForByTheirPlace(t *testing.T) {
	t.Parallel()
	p := fake.Synthetic(fake.Spec{Kind: fake.Mixed, Records: 3, Fields: 12, Forms: 3})
	if err := p.AddField(fake.Field{Name: "scan", Form: "form_1", Type: "file"}); err != nil {
		t.Fatal(err)
	}
	if err := p.AddField(fake.Field{Name: "page", Form: "form_3", Type: "file"}); err != nil {
		t.Fatal(err)
	}
	_, url := serve(t, fake.Options{}, p)
	probe := newStore(t)
	mustPull(t, source(t, url, p.Token()), probe)
	want := map[string]string{}
	for form, field := range map[string]string{"form_1": "scan", "form_3": "page"} {
		for key, row := range probe.rows("." + form) {
			event, instance := row["redcap_event_name"], row["redcap_repeat_instance"]
			content := []byte("at " + key)
			stored := false
			for _, at := range []fake.Place{
				{Event: event, Instrument: form, Instance: atoi(instance)}, {Event: event, Instance: atoi(instance)}, {Event: event},
			} {
				stored = stored || p.AddFile(row["record_id"], at, field, "f.txt", content) == nil
			}
			if !stored {
				t.Fatalf("no place for %s", key)
			}
			want[key+"|"+field] = sha(string(content))
		}
	}
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), filesOf(filesContents)), s)
	got := map[string]string{}
	for key, row := range s.rows("_meta.redcap_file") {
		got[key] = row["sha256"]
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 6 {
		t.Errorf("%d files (-want +got):\n%s", len(want), diff)
	}
}

func TestFilesOutOfSightStayAndFilesNotWantedAreNotRead(t *testing.T) {
	t.Parallel()
	p := archive(t)
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), filesOf(filesContents)), s)
	before := s.rows("_meta.redcap_file")
	p.Rights(func(u *fake.User) { u.Forms["visit"] = fake.ExportWithoutIdentifer })
	for name, o := range map[string]Options{
		"without identifiers": {Files: filesContents},
		"skipped field":       {Files: filesContents, SkipFields: []string{"sign"}},
		"skipped form":        {Files: filesContents, SkipForms: []string{"visit"}},
	} {
		mustPull(t, source(t, url, p.Token(), options(o)), s)
		if diff := cmp.Diff(before, s.rows("_meta.redcap_file")); diff != "" {
			t.Errorf("%s: rows changed: %s", name, diff)
		}
	}
	p.Rights(func(u *fake.User) { u.Forms["visit"] = fake.ExportFull })
	server.ResetRequests()
	fresh := newStore(t)
	mustPull(t, source(t, url, p.Token(), options(Options{Files: filesContents, Identifiers: "skip"})), fresh)
	for _, r := range server.Requests() {
		if r.Content == "file" && r.Params.Get("field") == "sign" {
			t.Error("an identifying file was read although identifiers are skipped")
		}
	}
	if n := fresh.count("_meta.redcap_file"); n != 2 {
		t.Errorf("%d files, want 2", n)
	}
}

func TestOldServersShowNoNamesAndTheDownloadTellsThem(t *testing.T) {
	t.Parallel()
	s := archiveSite(t, fake.Options{Version: "10.9.0", Documents: true})
	s.must(false, filesOf(filesContents))
	if row := s.store.row("_meta.redcap_file", "1", "", "1", "photo"); row["file_name"] != "cat.png" || row["sha256"] != sha("a cat") {
		t.Errorf("row %v", row)
	}
	s.must(true, filesOf(filesContents))
	if n := downloads(s.server); n != 0 {
		t.Errorf("%d files were read again", n)
	}
}

func TestWhatAJobIsToldToPullFromNowOnIsPulledOfEveryRecord(t *testing.T) {
	t.Parallel()
	s := archiveSite(t, fake.Options{})
	s.must(false)
	for i, o := range []Options{{Files: filesNames}, {Files: filesContents}, {Files: filesContents, Reread: 30 * time.Hour}} {
		s.now = s.now.Add(48 * time.Hour)
		proof := s.must(false, options(o))
		if n := s.store.count("_meta.redcap_file"); n != 3 || proof.Full != (i < 2) {
			t.Errorf("%+v: %d files, full %t", o, n, proof.Full)
		}
	}
	if got := s.store.row("_meta.redcap_file", "1", "", "1", "photo")["sha256"]; got != sha("a cat") {
		t.Error("contents are not pulled of records that did not change")
	}
}

func TestARenamedRecordKeepsItsFilesAsTheyWereRead(t *testing.T) {
	t.Parallel()
	s := archiveSite(t, fake.Options{})
	p := s.project
	s.must(false, filesOf(filesContents))
	before := s.store.row("_meta.redcap_file", "1", "", "1", "photo")
	s.night()
	if err := p.Rename("1", "1001"); err != nil {
		t.Fatal(err)
	}
	s.must(false, filesOf(filesContents))
	after := s.store.row("_meta.redcap_file", "1001", "", "1", "photo")
	if after["read_at"] != before["read_at"] || after["sha256"] != before["sha256"] {
		t.Errorf("row %v, before %v", after, before)
	}
}

func TestFileTablesKeepApartFromAnyRecordIDField(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"sha256", "file_name", "field_name"} {
		p := fake.Synthetic(fake.Spec{Records: 1, Fields: 3, Forms: 1, RecordField: field})
		_, url := serve(t, fake.Options{}, p)
		structure, err := source(t, url, p.Token(), filesOf(filesContents)).Describe(t.Context(), extract.Since{})
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range structure.Tables {
			if err := table.Check(); err != nil {
				t.Error(err)
			}
		}
	}
}
