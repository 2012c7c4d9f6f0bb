package redcap

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// folder is one folder of the file repository; id 0 is the root.
type folder struct {
	id, parent int
	name       string
	role, dag  string // unique names that it is restricted to; "": everybody
}

// repositoryFile is one file of the file repository.
type repositoryFile struct {
	folder int
	doc    int
}

// AddRepositoryFolder adds a folder below another one (0 is the root) and returns its id. role and group are unique
// names that it is restricted to, or "".
func (p *Project) AddRepositoryFolder(parent int, name, role, group string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder(parent) == nil {
		return 0, fmt.Errorf("add repository folder %s: there is no folder %d", name, parent)
	}
	f := folder{id: len(p.folders) + 1, parent: parent, name: name, role: role, dag: group}
	p.folders = append(p.folders, f)
	p.repositoryRow("Create folder in File Repository")
	return f.id, nil
}

// AddRepositoryFile puts a file into a folder (0 is the root) and returns its document id.
func (p *Project) AddRepositoryFile(folder int, name string, content []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder(folder) == nil {
		return 0, fmt.Errorf("add repository file %s: there is no folder %d", name, folder)
	}
	d := p.keep(name, content)
	p.library = append(p.library, repositoryFile{folder: folder, doc: d.id})
	p.repositoryRow("Upload document to File Repository")
	return d.id, nil
}

// RemoveRepositoryFile deletes a file of the file repository.
func (p *Project) RemoveRepositoryFile(id int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.library)
	p.library = slices.DeleteFunc(slices.Clone(p.library), func(f repositoryFile) bool { return f.doc == id })
	if len(p.library) == n {
		return fmt.Errorf("remove repository file %d: there is none", id)
	}
	p.repositoryRow("Delete document from File Repository")
	return nil
}

func (p *Project) repositoryRow(details string) {
	p.writeLog(logRow{kind: kindManage, action: "Manage/Design ", details: details})
}

func (p *Project) folder(id int) *folder {
	if id == 0 {
		return &folder{}
	}
	for i := range p.folders {
		if p.folders[i].id == id {
			return &p.folders[i]
		}
	}
	return nil
}

// opens tells whether a user may see into a folder, and into those above it.
func (c *call) opens(f *folder) bool {
	for ; f != nil; f = c.project.folder(f.parent) {
		if f.id == 0 {
			return true
		}
		if (f.dag != "" && c.user.DAG != "" && f.dag != c.user.DAG) || (f.role != "" && c.user.Role != "" && f.role != c.user.Role) {
			return false
		}
	}
	return false
}

// serveRepository answers content=fileRepository: the list of one folder, or a file.
func (c *call) serveRepository() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.has(13, 1, 0) || !c.needs(c.user.FileRepository, fileRight) {
		return
	}
	switch c.param("action") {
	case "list":
		c.listFolder()
	case "export":
		c.exportDocument()
	default:
		c.refuse("action", []string{c.param("action")})
	}
}

func (c *call) listFolder() {
	p := c.project
	at, err := strconv.Atoi(c.param("folder_id"))
	if c.param("folder_id") == "" {
		at, err = 0, nil
	}
	f := p.folder(at)
	if err != nil || f == nil || !c.opens(f) {
		c.fail(http.StatusBadRequest, "The File Repository folder folder_id="+c.param("folder_id")+" does not exist or else you do not have permission to that folder because it is DAG-restricted or Role-restricted.")
		return
	}
	t := &table{columns: []string{"folder_id", "doc_id", "name", "role", "dag"}, numbers: map[string]bool{"folder_id": true, "doc_id": true}}
	if !c.atLeast(16, 0, 8) {
		t.columns = t.columns[:3]
	}
	for i := range p.folders {
		if sub := &p.folders[i]; sub.parent == at && c.opens(sub) {
			t.rows = append(t.rows, []string{strconv.Itoa(sub.id), "", sub.name, sub.role, sub.dag}[:len(t.columns)])
		}
	}
	for _, x := range p.library {
		if x.folder == at {
			id := strconv.Itoa(x.doc)
			t.rows = append(t.rows, []string{"", id, p.doc(id).name, "", ""}[:len(t.columns)])
		}
	}
	c.reply(t)
}

func (c *call) exportDocument() {
	p := c.project
	id, _ := strconv.Atoi(c.param("doc_id"))
	for _, x := range p.library {
		if x.doc == id && c.opens(p.folder(x.folder)) {
			c.download(p.doc(strconv.Itoa(id)))
			return
		}
	}
	c.fail(http.StatusBadRequest, "The File Repository file doc_id="+c.param("doc_id")+" does not exist or else you do not have permission to it because it is DAG-restricted or Role-restricted.")
}
