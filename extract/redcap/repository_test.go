package redcap

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

	fake "syncd/internal/fake/redcap"
)

func TestARecordedFileRepositoryIsWalkedAndStoredCellByCell(t *testing.T) {
	t.Parallel()
	root, below := asJSON(t, "redcapr-filerepo/list-root.csv", "folder_id", "doc_id"), asJSON(t, "redcapr-filerepo/list-folder.csv", "folder_id", "doc_id")
	p := small(fake.Classic, 2)
	at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
		switch {
		case form.Get("content") != "fileRepository":
			return nil
		case form.Get("folder_id") == "":
			return &canned{body: root}
		case form.Get("folder_id") == "1":
			return &canned{body: below}
		}
		return &canned{status: http.StatusBadRequest, body: `{"error":"which folder?"}`}
	})
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), pulls(pullRepository)), s)
	file := func(id, name string) map[string]string {
		return map[string]string{"folder_id": "0", "doc_id": id, "name": name, "path": name}
	}
	in := file("6651", "levon-and-barry.jpg")
	in["parent_folder_id"], in["path"] = "1", "the-state/levon-and-barry.jpg"
	wantRows(t, s, "_meta.redcap_file_repository", map[string]map[string]string{
		"1|0":    {"folder_id": "1", "doc_id": "0", "name": "the-state", "path": "the-state"},
		"0|6651": in, "0|6652": file("6652", "mugshot-1.jpg"), "0|6653": file("6653", "mugshot-2.jpg"), "0|6654": file("6654", "mugshot-3.jpg"),
		"0|6655": file("6655", "mugshot-4.jpg"), "0|6656": file("6656", "mugshot-5.jpg"),
	})
}

// library makes a repository two folders deep.
func library(t testing.TB, p *fake.Project) (inner, file int) {
	t.Helper()
	group := p.AddDAG("North")
	outer, err := p.AddRepositoryFolder(0, "outer", "", group)
	if err != nil {
		t.Fatal(err)
	}
	if inner, err = p.AddRepositoryFolder(outer, "inner", "", ""); err != nil {
		t.Fatal(err)
	}
	if file, err = p.AddRepositoryFile(inner, "plan.txt", []byte("the plan")); err != nil {
		t.Fatal(err)
	}
	if _, err = p.AddRepositoryFile(0, "copy.txt", []byte("the plan")); err != nil {
		t.Fatal(err)
	}
	return inner, file
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestOneContentOfTheFileRepositoryIsStoredOnceAndReadOnce(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13.7.0", "17.4.1"} {
		p := small(fake.Classic, 2)
		_, file := library(t, p)
		server, url := serve(t, fake.Options{Version: version}, p)
		o := Options{Pull: []string{pullRecords, pullGroups, pullRepository}, Files: filesContents}
		s := newStore(t)
		mustPull(t, source(t, url, p.Token(), options(o)), s)
		row := s.row("_meta.redcap_file_repository", "0", strconv.Itoa(file))
		if row["path"] != "outer/inner/plan.txt" || row["sha256"] != sha("the plan") || row["bytes"] != "8" || row["content_type"] != "text/plain" || row["read_at"] == "" {
			t.Errorf("row %v", row)
		}
		dag := s.row("_meta.redcap_file_repository", "1", "0")["dag"]
		if want := map[string]string{"13.7.0": "", "17.4.1": "north"}[version]; dag != want {
			t.Errorf("%s: group %q, want %q", version, dag, want)
		}
		wantRows(t, s, "_meta.redcap_file_content", map[string]map[string]string{
			sha("the plan") + "|1": {"sha256": sha("the plan"), "part": "1", "content": `\x74686520706c616e`},
		})
		server.ResetRequests()
		mustPull(t, source(t, url, p.Token(), options(o)), s)
		for _, r := range server.Requests() {
			if r.Content == "fileRepository" && r.Params.Get("action") == "export" {
				t.Error("a file was read again")
			}
		}
		if got := s.row("_meta.redcap_file_repository", "0", strconv.Itoa(file)); got["read_at"] != row["read_at"] {
			t.Error("an unchanged row changed")
		}
	}
}

func TestWhatIsDeletedFromTheFileRepositoryGoesAndItsContentWithTheLastOfThem(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	_, file := library(t, p)
	_, url := serve(t, fake.Options{}, p)
	o := Options{Pull: []string{pullRecords, pullGroups, pullRepository}, Files: filesContents}
	s := newStore(t)
	pull := func() { mustPull(t, source(t, url, p.Token(), options(o)), s) }
	pull()
	if err := p.RemoveRepositoryFile(file); err != nil {
		t.Fatal(err)
	}
	pull()
	if s.row("_meta.redcap_file_repository", "0", strconv.Itoa(file)) != nil || s.count("_meta.redcap_file_content") != 1 {
		t.Errorf("rows %v, contents %d", s.rows("_meta.redcap_file_repository"), s.count("_meta.redcap_file_content"))
	}
	if err := p.RemoveRepositoryFile(file + 1); err != nil {
		t.Fatal(err)
	}
	pull()
	if n := s.count("_meta.redcap_file_content"); n != 0 {
		t.Errorf("%d contents left of which no file is", n)
	}
}

func TestAFolderThatMayNotBeSeenTakesNothingAway(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	library(t, p)
	refuse := false
	at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
		if refuse && form.Get("content") == "fileRepository" && form.Get("folder_id") != "" {
			return &canned{status: http.StatusBadRequest, body: `{"error":"The File Repository folder folder_id=1 does not exist or else you do not have permission to that folder because it is DAG-restricted or Role-restricted."}`}
		}
		return nil
	})
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), pulls(pullRepository)), s)
	refuse = true
	_, proof := mustPull(t, source(t, at, p.Token(), pulls(pullRepository)), s)
	if n := s.count("_meta.redcap_file_repository"); n != 4 {
		t.Errorf("%d rows left, want 4", n)
	}
	wantWarning(t, proof.Warnings, "1 folders were refused")
}

func TestFoldersThatHoldEachOtherAreListedOnce(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	lists := 0
	at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
		if form.Get("content") != "fileRepository" {
			return nil
		}
		lists++
		return &canned{body: `[{"folder_id":1,"doc_id":"","name":"a"},{"folder_id":2,"doc_id":"","name":"b"}]`}
	})
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), pulls(pullRepository)), s)
	if lists != 3 || s.count("_meta.redcap_file_repository") != 2 {
		t.Errorf("%d lists, %d rows; want 3 and 2", lists, s.count("_meta.redcap_file_repository"))
	}
}

func TestServersBefore13HaveNoFileRepository(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	_, url := serve(t, fake.Options{Version: "12.4.0"}, p)
	s := newStore(t)
	structure, _ := mustPull(t, source(t, url, p.Token(), pulls(pullRepository)), s)
	wantWarning(t, structure.Warnings, "redcap_file_repository was not read: the server does not have the method")
	if !slices.ContainsFunc(structure.Warnings, func(w string) bool { return w != "" }) {
		t.Error("no warning")
	}
}
