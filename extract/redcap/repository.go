package redcap

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"syncd/extract"
)

// mostFolders bounds the walk through a file repository.
const mostFolders = 20_000

const repositoryRight = "File Repository"

// repository pulls the file repository, folder by folder (reference 3.6). A file there is never changed under its id, so
// that only new ids are downloaded.
type repository struct {
	table    *extract.Table
	contents bool
	held     bool
	entries  []metaRow
	below    []folder // listed next
	refused  int      // folders that the token may not see
}

type folder struct{ id, path string }

func newRepository(contents bool) *repository {
	columns := []metaColumn{
		{"*folder_id", num}, {"*doc_id", num}, {"name", txt}, {"parent_folder_id", num}, {"path", txt}, {"role", txt}, {"dag", txt},
	}
	if contents {
		columns = append(columns, contentColumns()...)
	}
	t := metaTableOf("redcap_file_repository", "Folders and files of the file repository, as far as the token may see them", columns...)
	for i := range t.Columns {
		switch c := &t.Columns[i]; c.Name {
		case "folder_id":
			c.Comment = "Id of the folder; 0 where the row is a file"
		case "doc_id":
			c.Comment = "Id of the file; 0 where the row is a folder"
		case "parent_folder_id":
			c.Comment = "The folder that it lies in; NULL at the root"
		case "path":
			c.Comment = "Names of the folders that it lies in and its own, joined by slashes"
		}
	}
	return &repository{table: t, contents: contents}
}

func (x *repository) tables() []*extract.Table { return []*extract.Table{x.table} }

// describe lists the root, which tells whether the repository may be read.
func (x *repository) describe(ctx context.Context, s *Source, p *snapshot) error {
	err := x.list(ctx, s, folder{})
	if err != nil && !refused(err) {
		return err
	}
	if x.held = err != nil; x.held {
		p.warn("%s was not read: %s; it is left as stored", x.table.Name, why(err, repositoryRight))
	}
	return nil
}

// list adds what lies in a folder.
func (x *repository) list(ctx context.Context, s *Source, in folder) error {
	q := question{
		what: "list file repository", resource: "fileRepository", content: "fileRepository",
		extra: func(b *params) {
			b.add("action", "list")
			if in.id != "" {
				b.add("folder_id", in.id)
			}
		},
	}
	var found []metaRow
	var below []folder
	err := s.askList(ctx, q, func(o map[string]string) error {
		path := o["name"]
		if in.path != "" {
			path = in.path + "/" + path
		}
		id, doc := o["folder_id"], o["doc_id"]
		switch {
		case doc != "" && doc != "0":
			o["folder_id"] = "0"
		case id != "" && id != "0":
			o["doc_id"] = "0"
			below = append(below, folder{id, path})
		default:
			return errors.New("an entry without an id")
		}
		if !onlyDigits(o["folder_id"]) || !onlyDigits(o["doc_id"]) {
			return errors.New("an entry whose id is no number")
		}
		o["parent_folder_id"], o["path"] = in.id, path
		found = append(found, take(x.table, o))
		return nil
	}, "folder_id", "doc_id")
	if err == nil {
		x.entries, x.below = append(x.entries, found...), append(x.below, below...)
	}
	return err
}

// walk lists every folder below the root, each once.
func (x *repository) walk(ctx context.Context, s *Source) error {
	seen := map[string]bool{}
	for len(x.below) > 0 {
		next := x.below[0]
		x.below = x.below[1:]
		if seen[next.id] {
			continue
		}
		if seen[next.id] = true; len(seen) > mostFolders {
			return extract.Errorf(extract.KindGarbled, "list file repository", "more than %d folders", mostFolders)
		}
		if err := x.list(ctx, s, next); refused(err) && err != nil {
			x.refused++
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (x *repository) give(ctx context.Context, s *Source, hand *extract.Handoff, n news) error {
	if x.held {
		return nil
	}
	if err := x.walk(ctx, s); err != nil {
		return err
	}
	if x.contents {
		if err := x.download(ctx, s, hand, n); err != nil {
			return err
		}
	}
	b := wholeTable(x.table, x.entries, "gone from the file repository")
	if x.refused > 0 { // what lies in them is not known: nothing is taken for gone
		b.Scope = nil
		s.said = append(s.said, "file repository: "+strconv.Itoa(x.refused)+" folders were refused; what is stored of the repository stays")
	}
	return hand.Give(b)
}

// download fills in what is known of the files' contents: as stored, and of new ones as read.
func (x *repository) download(ctx context.Context, s *Source, hand *extract.Handoff, n news) error {
	known := map[string]fileFacts{}
	if s.stored != nil {
		if err := hand.Settled(); err != nil {
			return err
		}
		err := s.stored.Cells(ctx, x.table, nil, append([]string{"doc_id"}, factNames()...), func(cells []string) error {
			known[cells[0]] = factsOf(cells[1:])
			return nil
		})
		if err != nil {
			return err
		}
	}
	var buf bytes.Buffer
	from := len(x.table.Columns) - len(factNames())
	for i := range x.entries {
		doc := x.entries[i].cells[1]
		if doc == "0" {
			continue
		}
		facts, ok := known[doc]
		if !ok || !facts.settled(n.all) {
			q := question{
				what: "export file", resource: "fileRepository, one file", content: "fileRepository",
				extra: func(b *params) {
					b.add("action", "export")
					b.add("doc_id", doc)
				},
			}
			var err error
			if facts, _, err = s.content.fetch(ctx, s, hand, q, &buf); err != nil {
				return err
			}
		}
		copy(x.entries[i].cells[from:], facts.cells())
	}
	return nil
}
