package redcap

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"strings"
)

// Export rights of one instrument, as the users method codes them.
const (
	ExportNone             = 0
	ExportFull             = 1
	ExportDeidentified     = 2
	ExportWithoutIdentifer = 3
)

// User is the holder of a token, with the rights that a read can meet.
type User struct {
	Name             string
	APIExport        bool
	APIImport        bool
	Logging          bool
	Design           bool
	DAGs             bool
	UserRights       bool
	FileRepository   bool
	SurveyTools      bool
	DAG              string         // unique name of the group the user is bound to; empty: none
	Forms            map[string]int // export right by instrument; absent: ExportFull
	Email, First     string
	Last, Expiration string
	Role             string // unique name of a role

	token string
}

// Role is a user role.
type Role struct{ Unique, Label string }

// FullRights returns a user that may read everything and write nothing.
func FullRights(name string) *User {
	return &User{
		Name: name, APIExport: true, Logging: true, Design: true, DAGs: true, UserRights: true, FileRepository: true,
		SurveyTools: true, Forms: map[string]int{}, First: "Service", Last: "Account", Email: name + "@example.edu",
	}
}

// AddUser adds a user and returns the new token.
func (p *Project) AddUser(u *User) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.Forms == nil {
		u.Forms = map[string]int{}
	}
	var b [16]byte
	rand.Read(b[:])
	u.token = strings.ToUpper(hex.EncodeToString(b[:]))
	p.users = append(p.users, u)
	p.rev++
	p.writeLog(logRow{kind: kindUser, action: "Add user " + u.Name, details: "user = '" + u.Name + "'"})
	return u.token
}

// Rights changes the rights of the project's first user, and logs it.
func (p *Project) Rights(change func(*User)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[0]
	change(u)
	p.rev++
	p.writeLog(logRow{kind: kindUser, action: "Edit user " + u.Name, details: "user = '" + u.Name + "'"})
}

// AddRole adds a user role.
func (p *Project) AddRole(r Role) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roles = append(p.roles, r)
	p.writeLog(logRow{kind: kindUser, action: "Add role " + r.Label, details: "role = '" + r.Label + "'"})
}

// user finds the holder of a token and returns the rights as they are now.
func (p *Project) user(token string) *User {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, u := range p.users {
		if strings.EqualFold(u.token, token) && token != "" {
			now := *u
			now.Forms = maps.Clone(u.Forms)
			return &now
		}
	}
	return nil
}

// right is the user's export right for an instrument.
func (u *User) right(form string) int {
	if r, ok := u.Forms[form]; ok {
		return r
	}
	return ExportFull
}

// deidentified tells whether any instrument is exported de-identified: then record ids are hashed.
func (u *User) deidentified() bool {
	for _, r := range u.Forms {
		if r == ExportDeidentified {
			return true
		}
	}
	return false
}
