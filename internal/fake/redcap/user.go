package redcap

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
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

// Entry rights of one instrument, as servers before 15.6 code them. Later ones answer EntryBits.
const (
	EntryNone   = 0
	EntryEdit   = 1
	EntryRead   = 2
	EntrySurvey = 3 // edit, also survey responses
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
	Entry            map[string]int // entry right by instrument; absent: EntryRead; from 128 on: bits, shown as they are
	More             map[string]int // any other column of the users method by its name; also overrides one above
	Unconverted      bool           // the rights in Entry were last saved before 15.6 and are still shown in the old code
	Email, First     string
	Last, Expiration string
	Role             string // unique name of a role, whose rights replace the user's

	token     string
	removed   bool // taken out of the project
	suspended bool // suspended in the whole system
}

// Role is a user role. As holds the rights of who is bound to it; of a role without As only the name is known, and its
// users keep their own rights.
type Role struct {
	Unique, Label string // Unique is made if it is empty
	As            *User
}

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
	u.token = newToken()
	p.users = append(p.users, u)
	p.userRow("Add user ", u)
	return u.token
}

func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// userRow logs a change of a user and marks rights as changed.
func (p *Project) userRow(action string, u *User) {
	p.rev++
	p.writeLog(logRow{kind: kindUser, action: action + u.Name, details: "user = '" + u.Name + "'"})
}

// Rights changes the rights of the project's first user, and logs it.
func (p *Project) Rights(change func(*User)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.users[0])
	p.userRow("Edit user ", p.users[0])
}

// SetRights changes the rights of a user, and logs it.
func (p *Project) SetRights(name string, change func(*User)) error {
	return p.onUser("Edit user ", name, change)
}

// RemoveUser takes a user out of the project: it is listed no more, and its token is answered as a wrong one.
func (p *Project) RemoveUser(name string) error {
	return p.onUser("Delete user ", name, func(u *User) { u.removed = true })
}

// ExpireUser sets the day from which on a user has no access, YYYY-MM-DD of the server's wall clock; "" lifts it.
func (p *Project) ExpireUser(name, day string) error {
	return p.onUser("Edit user ", name, func(u *User) { u.Expiration = day })
}

// SuspendUser suspends a user's account in the whole system, or lifts that. The project's log does not show it, and
// the user stays in the project's list.
func (p *Project) SuspendUser(name string, on bool) error {
	return p.onUser("", name, func(u *User) { u.suspended = on })
}

// RegenerateToken gives a user a new token and returns it; the old one is a wrong one from now on.
func (p *Project) RegenerateToken(name string) (string, error) {
	token := newToken()
	err := p.onUser("", name, func(u *User) { u.token = token })
	return token, err
}

// onUser changes a user and logs it unless action is empty.
func (p *Project) onUser(action, name string, change func(*User)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if u.Name == name && !u.removed {
			change(u)
			if action != "" {
				p.userRow(action, u)
			}
			return nil
		}
	}
	return fmt.Errorf("change user %s: there is none", name)
}

// AddRole adds a user role and returns its unique name.
func (p *Project) AddRole(r Role) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Unique == "" {
		sum := sha256.Sum256([]byte(fmt.Sprint("role ", p.info.ID, len(p.roles), r.Label)))
		r.Unique = "U-" + base32.StdEncoding.EncodeToString(sum[:])[:10]
	}
	p.roles = append(p.roles, r)
	p.roleRow("Add user role", r.Label)
	return r.Unique
}

// SetRole changes the rights of a role, and so of everybody bound to it.
func (p *Project) SetRole(unique string, change func(*User)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.role(unique)
	if r == nil {
		return fmt.Errorf("change role %s: there is none", unique)
	}
	if r.As == nil {
		r.As = &User{}
	}
	change(r.As)
	p.roleRow("Edit user role", r.Label)
	return nil
}

// BindUserToRole gives a user the rights of a role; "" gives back the user's own.
func (p *Project) BindUserToRole(name, unique string) error {
	p.mu.RLock()
	known := unique == "" || p.role(unique) != nil
	p.mu.RUnlock()
	if !known {
		return fmt.Errorf("bind user %s to role %s: there is no such role", name, unique)
	}
	return p.onUser("Edit user ", name, func(u *User) { u.Role = unique })
}

func (p *Project) roleRow(action, label string) {
	p.rev++
	p.writeLog(logRow{kind: kindUser, action: action, details: "role = '" + label + "'"})
}

func (p *Project) role(unique string) *Role {
	for i := range p.roles {
		if p.roles[i].Unique == unique && unique != "" {
			return &p.roles[i]
		}
	}
	return nil
}

// user finds the holder of a token and returns the rights as they are now.
func (p *Project) user(token string) *User {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, u := range p.users {
		if strings.EqualFold(u.token, token) && token != "" && !u.removed && !u.suspended {
			return p.acting(u)
		}
	}
	return nil
}

// acting is a user as its role makes it.
func (p *Project) acting(u *User) *User {
	now := *u
	if r := p.role(u.Role); r != nil && r.As != nil {
		now = *r.As
		now.Name, now.Email, now.First, now.Last = u.Name, u.Email, u.First, u.Last
		now.Expiration, now.DAG, now.Role, now.token = u.Expiration, u.DAG, u.Role, u.token
	}
	now.Forms, now.Entry, now.More = maps.Clone(now.Forms), maps.Clone(now.Entry), maps.Clone(now.More)
	return &now
}

// members are the users that the project lists.
func (p *Project) members() []*User {
	var out []*User
	for _, u := range p.users {
		if !u.removed {
			out = append(out, u)
		}
	}
	return out
}

// right is the user's export right for an instrument.
func (u *User) right(form string) int {
	if r, ok := u.Forms[form]; ok {
		return r
	}
	return ExportFull
}

// entry is the user's entry right for an instrument, in the code of the version.
func (u *User) entry(form string, bits bool) int {
	r, set := u.Entry[form]
	if !set {
		r = EntryRead
	}
	if !bits || r >= 128 || (set && u.Unconverted) {
		return r
	}
	return EntryBits(r)
}

// EntryBits is an entry right as servers since 15.6 code it: 128 none, 129 read, 130 edit, 8 more for survey
// responses.
func EntryBits(old int) int {
	return map[int]int{EntryNone: 128, EntryEdit: 130, EntryRead: 129, EntrySurvey: 138}[old]
}

// deidentified tells whether any of the project's instruments is exported de-identified: then record ids are hashed.
func (p *Project) deidentified(u *User) bool {
	for _, f := range p.forms {
		if u.right(f.Name) == ExportDeidentified {
			return true
		}
	}
	return false
}
