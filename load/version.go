package load

import (
	"context"
	"slices"
	"strconv"

	"syncd/extract"
)

// A versioned scope is a thing at the source whose states arrive in any order: the rows of the table that carries the
// version, and rows of other tables that belong to them. A state that is older than the one stored changes nothing, also
// where the newer one was a deletion: then the version stands in the archive, with or without a row that was moved there.

// versioned checks what a batch says of versions, and finds the tables that carry them. Where such a table cannot be
// loaded nobody can tell old from new: then nothing of its scope can.
func (w *work) versioned() error {
	for i, b := range append([]*extract.Scope{w.b.Scope}, w.b.Further...) {
		if err := w.carried(w.scopes[i], b); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) carried(s *scope, b *extract.Scope) error {
	if s.versions == nil {
		return nil
	}
	for _, in := range w.intakes {
		if in.scope == s && in.sh.src.Versioned {
			if s.parent != nil {
				return extract.Errorf(extract.KindInternal, "load batch", "two tables of a scope carry versions")
			}
			s.parent = in
		}
	}
	switch parent := s.parent; {
	case parent == nil || parent.sh.src.Keys() != b.Width || w.b.Closing != nil:
		return extract.Errorf(extract.KindInternal, "load batch", "a versioned scope needs rows, and a table of its own key that carries the versions")
	case len(b.Versions) != len(b.Keys) || len(s.sorted) != len(b.Keys):
		return extract.Errorf(extract.KindInternal, "load batch", "a versioned scope needs one version for each key, and each key once")
	case parent.sh.t.blocked != "" || !parent.sh.versioned:
		for _, in := range w.intakes {
			if in.scope == s {
				in.giveUp()
			}
		}
		s.versions, s.parent = nil, nil
	}
	return nil
}

// giveUp counts the rows of an intake as blocked.
func (in *intake) giveUp() {
	if in.rows != nil {
		in.blocked += int64(in.rows.Len() + in.rows.Duplicates)
	}
	in.rows, in.inScope, in.scope = nil, false, nil
}

// ask sends the query for the versions that are stored.
func (s *scope) ask(p *pipeline) (asked int) {
	if s == nil || s.versions == nil {
		return 0
	}
	clear(s.older)
	formats := []int16{asText}
	for rest := s.sorted; len(rest) > 0; asked++ {
		n := min(len(rest), compareChunk)
		p.query(selectVersions(s.parent.sh.t), textArrays(&s.index.keys, rest[:n], s.width), []int16{asBinary}, formats)
		rest = rest[n:]
	}
	return asked
}

// answer finds the scopes of which a newer state is stored.
func (s *scope) answer(p *pipeline, asked int) error {
	var key []byte
	for range asked {
		rows, err := p.next()
		if err != nil {
			return err
		}
		for rows.NextRow() {
			values := rows.Values()
			key = joinParts(key[:0], values[:s.width])
			if i, ok := s.index.find(key); ok && string(values[s.width]) > s.versions[i] {
				s.older[i] = true
			}
		}
		if _, err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

// superseded reports whether a newer state is stored of the scope in which a key is.
func (s *scope) superseded(key []byte) bool {
	if s.versions == nil {
		return false
	}
	i, ok := s.index.find(prefix(key, s.width))
	return ok && s.older[i]
}

// supersede leaves rows alone that belong to older states.
func (in *intake) supersede() {
	if !in.inScope || in.scope.versions == nil {
		return
	}
	for i, f := range in.fates {
		if f != duplicate && f != rejected && in.scope.superseded(in.index.keys.at(i)) {
			in.fates[i] = superseded
		}
	}
}

// appendVersion appends the version of a row's scope, after a tab.
func (in *intake) appendVersion(dst []byte, row int) []byte {
	if !in.sh.versioned {
		return dst
	}
	if in.inScope && in.scope.versions != nil {
		if i, ok := in.scope.index.find(prefix(in.index.keys.at(row), in.scope.width)); ok {
			return appendEscaped(append(dst, '\t'), []byte(in.scope.versions[i]))
		}
	}
	return append(dst, "\t\\N"...)
}

// keepVersions raises the versions of scopes whose row did not change otherwise, without touching its times, and keeps
// those of scopes that have no row.
func (r *Run) keepVersions(ctx context.Context, s *session, w *work, now clock) error {
	for _, sc := range w.scopes {
		if sc.versions == nil {
			continue
		}
		if err := r.keepScope(ctx, s, w, sc, now); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) keepScope(ctx context.Context, s *session, w *work, sc *scope, now clock) error {
	parent := sc.parent
	var raise, bury []int
	for _, i := range sc.sorted {
		key := sc.index.keys.at(i)
		row, there := parent.index.find(key)
		switch {
		case sc.older[i]:
		case there && (parent.fates[row] == unchanged || parent.fates[row] == reencoded):
			raise = append(raise, i)
		case !there && !parent.counted(key) && !w.result.KeysUnread:
			bury = append(bury, i)
		}
	}
	if len(raise) > 0 {
		if _, err := s.touch(ctx, raiseVersions(parent.sh.t), sc.versionParams(raise)); err != nil {
			return err
		}
	}
	if len(bury) == 0 {
		return nil
	}
	if err := r.needArchive(ctx, s, w, parent.sh.t); err != nil || parent.sh.t.archive == nil {
		return err
	}
	params := sc.versionParams(bury)
	formats := append(slices.Repeat([]int16{asBinary}, len(params)), asText, asText, asText)
	params = append(params, now.text, strconv.AppendInt(nil, r.id, 10), []byte(w.reason))
	return s.pg.ExecParams(ctx, buryScopes(parent.sh.t), params, nil, formats, nil).Read().Err
}

// versionParams are the arrays of some keys and of their versions.
func (s *scope) versionParams(pick []int) [][]byte {
	var versions keyList
	all := make([]int, len(pick))
	for n, i := range pick {
		versions.text = append(versions.text, s.versions[i]...)
		versions.end()
		all[n] = n
	}
	return append(textArrays(&s.index.keys, pick, s.width), textArrays(&versions, all, 1)...)
}
