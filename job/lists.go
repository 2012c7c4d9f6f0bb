package job

import (
	"context"
	"fmt"
	"slices"

	"syncd/extract"
	"syncd/load"
)

// proveLists compares, list by list, the keys that a source of several lists named with those that are live: they must be the same.
func proveLists(ctx context.Context, stored extract.Stored, p *extract.Proof) (load.Proof, error) {
	proof := load.Proof{Name: "ids", Counts: map[string]int64{"lists": int64(len(p.Listed))}}
	if len(p.Listed) == 0 {
		proof.Reason = "the source read no list to its end"
		return proof, nil
	}
	var wrong []string
	for _, l := range p.Listed {
		if proof.At.IsZero() || l.At.Before(proof.At) {
			proof.At = l.At.UTC()
		}
		l.Keys.Sort()
		n := int64(l.Keys.Len())
		same, err := stored.Same(ctx, l.Tables[0], l.Keys)
		if err != nil {
			return proof, err
		}
		proof.Counts["listed"] += n
		if same {
			proof.Counts["live"] += n
			continue
		}
		var live, extra int64
		if err := stored.Keys(ctx, l.Tables[0], func(key string) error {
			live++
			if !l.Keys.Has(key) {
				extra++
			}
			return nil
		}); err != nil {
			return proof, err
		}
		missing := n - (live - extra)
		proof.Counts["live"] += live
		proof.Counts["missing"] += missing
		proof.Counts["extra"] += extra
		wrong = append(wrong, idsReason(l.Tables[0].Name, missing, extra, 0))
	}
	proof.Holds, proof.Broken = len(wrong) == 0, len(wrong) > 0
	if len(wrong) > 0 {
		proof.Reason = few(wrong)
	}
	return proof, nil
}

// proveListed says what is to be said of one table of such a source: nothing where it holds as many rows as its list has.
func proveListed(p *extract.Proof, t *extract.Table, live int64, read *tableTally, counts map[string]int64) (doubt, fault string) {
	for _, l := range p.Listed {
		at := slices.Index(l.Tables, t)
		if at < 0 {
			continue
		}
		want, refused := l.Rows[at], int64(0)
		if read != nil {
			if refused = read.rejected; read.unread || read.blocked > 0 {
				_, _, doubt := read.expected()
				return ": " + doubt, ""
			}
		}
		if live < want-refused || live > want {
			return "", fmt.Sprintf(" holds %d rows where %d were read", live, want)
		}
		counts["tables"]++
		return "", ""
	}
	if live > 0 || read != nil {
		return " was not read to an end that is proven to be whole", ""
	}
	return "", ""
}
