package extract

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
)

// PersonHash is by what a person who was purged is known again: a keyed hash of a name of theirs, in one scope (the schema that
// held them). The same name in another scope has another hash, and without the key nobody can tell whose it is. Record ids that
// differ in case only are one record at the source, and have one hash.
func PersonHash(key []byte, scope string, name ...string) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("syncd person 1\x00" + scope + "\x00" + strings.ToLower(JoinKey(name...))))
	return [32]byte(mac.Sum(nil))
}

// The kinds of names of persons: the first part of a name.
const (
	PersonRecord  = "record"  // then the record id
	PersonPatient = "patient" // then sender, type of identifier, identifier
)

// Blocked is the list of persons of one scope who were purged and are not loaded again. A nil list blocks nobody.
type Blocked struct {
	key    []byte
	scope  string
	hashes map[[32]byte]bool
}

// NewBlocked makes a list. It answers nil where nobody is on it.
func NewBlocked(key []byte, scope string, hashes [][32]byte) *Blocked {
	if len(hashes) == 0 {
		return nil
	}
	b := &Blocked{key: key, scope: scope, hashes: make(map[[32]byte]bool, len(hashes))}
	for _, h := range hashes {
		b.hashes[h] = true
	}
	return b
}

// Any reports whether anybody is on the list.
func (b *Blocked) Any() bool { return b != nil }

// Has reports whether a name is one of a person on the list.
func (b *Blocked) Has(name ...string) bool {
	return b != nil && b.hashes[PersonHash(b.key, b.scope, name...)]
}

// BlockedRows counts rows of a table that came from the source and were left out, because they are about a person who was purged.
type BlockedRows struct {
	Table *Table
	Rows  int64
}

// ReasonBlocked is what is said of ids and deliveries that are left out because they are about a person who was purged.
const ReasonBlocked = "blocked"
