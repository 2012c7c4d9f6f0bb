package load

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/purge_deliveries.sql
	purgeDeliveriesSQL string
	//go:embed sql/purge_settle.sql
	purgeSettleSQL string
	//go:embed sql/purge_patient_rejects.sql
	purgePatientRejectsSQL string
)

// purgeAtOnce is how many deliveries are looked at in one portion.
const purgeAtOnce = 200

// Feed is what a receiver's tables and deliveries say of people.
type Feed struct {
	Streams []FeedStream
	Things  []extract.PersonThing
	// People says whom a delivery is about, each by all identifiers that it gives them, and false where it cannot be read.
	People func(*extract.Delivery) (people [][]extract.PatientID, readable bool)
}

// FeedStream is the production or the test traffic of a receiver.
type FeedStream struct {
	Job, Schema string
	Test        bool
}

// PurgePatient erases a patient of a receiver: by all identifiers that tables and deliveries give to the same person, with everything that
// deliveries about the person brought, and those deliveries' bytes.
func (w *Warehouse) PurgePatient(ctx context.Context, p Purge, ids []extract.PatientID, feed Feed) (*Purged, error) {
	jobs := make([]string, len(feed.Streams))
	for i, s := range feed.Streams {
		jobs[i] = s.Job
	}
	return w.erase(ctx, p, seizeClaims(jobs), func(ctx context.Context, one *purge) error {
		r := &patientPurge{purge: one, feed: feed, ids: map[extract.PatientID]bool{}, seqs: map[int64]bool{}}
		for _, s := range feed.Streams {
			st, err := readStored(ctx, one.tx, s.Schema)
			if err != nil {
				return err
			}
			r.stored = append(r.stored, st)
		}
		r.subject(ids[0].Name()...)
		for _, id := range ids {
			r.ids[id] = true
		}
		if err := r.find(ctx); err != nil {
			return err
		}
		return r.erase(ctx)
	})
}

// Senders lists who sent anything of a patient's identifier: the same identifier of two senders may be two people.
func (w *Warehouse) Senders(ctx context.Context, kind, id string, feed Feed) ([]string, error) {
	found := map[string]bool{}
	for _, s := range feed.Streams {
		st, err := readStored(ctx, w.pool, s.Schema)
		if err != nil {
			return nil, fault("read tables of "+s.Schema, err)
		}
		for _, thing := range feed.Things {
			for _, t := range thing.Tables {
				for _, at := range st.physical(s.Schema, t.Name) {
					if len(t.People) == 0 || !at.has(t) {
						continue
					}
					if err := w.sendersIn(ctx, at, t, kind, id, found); err != nil {
						return nil, fault("look for the patient in "+at.schema+"."+at.name, err)
					}
				}
			}
		}
	}
	_, err := w.eachDelivery(ctx, w.pool, feed, []extract.PatientID{{Type: kind, ID: id}}, func(d *extract.Delivery) error {
		people, _ := feed.People(d)
		for _, person := range people {
			for _, i := range person {
				if i.Type == kind && i.ID == id {
					found[i.Source] = true
				}
			}
		}
		return nil
	})
	return slices.Sorted(maps.Keys(found)), fault("look for the patient in deliveries", err)
}

func (w *Warehouse) sendersIn(ctx context.Context, at storedSide, t extract.PersonTable, kind, id string, found map[string]bool) error {
	for _, columns := range t.People {
		rows, err := w.pool.Query(ctx, selectSenders(at, t, columns), kind, id)
		if err != nil {
			return err
		}
		senders, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, s := range senders {
			found[s] = true
		}
	}
	return nil
}

// has reports whether all columns of a table are there that name people.
func (at storedSide) has(t extract.PersonTable) bool {
	for _, columns := range t.People {
		for _, c := range columns {
			if at.names[c] == nil {
				return false
			}
		}
	}
	return true
}

// physical finds the tables that hold rows of a table of the live side, past states and what was moved out among them.
func (s stored) physical(base, table string) []storedSide {
	var all []storedSide
	for _, side := range []extract.Side{extract.Live, archiveSide, extract.History} {
		if t := s[place{side, table}]; t != nil && t.exists && t.isTable {
			all = append(all, storedSide{base + string(side), t.name, t.names, side})
		}
	}
	return all
}

// patientPurge erases a person who is a patient.
type patientPurge struct {
	*purge
	feed   Feed
	stored []stored // by stream
	ids    map[extract.PatientID]bool
	seqs   map[int64]bool // of deliveries about the person
	others int            // of them about other people as well
	broken int            // of them not to be read
}

// find finds all identifiers of the person, and the deliveries about them: what one delivery or one row says is one person makes known
// further identifiers, until there are no more.
func (r *patientPurge) find(ctx context.Context) error {
	for before := 0; before != len(r.ids); {
		before = len(r.ids)
		if err := r.link(ctx); err != nil {
			return err
		}
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	patients, err := r.patients(ctx)
	if err != nil {
		return err
	}
	most := r.Most
	if most == 0 {
		most = mostPatients
	}
	if patients > most {
		return &extract.Error{
			Kind: extract.KindConfig, What: "purge", Where: r.Job,
			Cause: fmt.Errorf("the person's identifiers and merges lead to %d patients, which is more than %d", patients, most),
			Next:  fmt.Sprintf("look at %s.patient_current and merge_review: identifiers that several people share lead from one to the next; if all of them are this person: --patients %d", r.Schema, patients),
		}
	}
	for id := range r.ids {
		r.call(id.Name()...)
	}
	return nil
}

// link follows rows that give several identifiers to one person.
func (r *patientPurge) link(ctx context.Context) error {
	for before := 0; before != len(r.ids); {
		before = len(r.ids)
		for i, s := range r.feed.Streams {
			for _, thing := range r.feed.Things {
				for _, t := range thing.Tables {
					if len(t.People) < 2 {
						continue
					}
					for _, at := range r.stored[i].physical(s.Schema, t.Name) {
						if !at.has(t) {
							continue
						}
						if err := r.linkRows(ctx, at, t); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	return nil
}

func (r *patientPurge) linkRows(ctx context.Context, at storedSide, t extract.PersonTable) error {
	rows, err := r.tx.Query(ctx, selectPeople(at, t), r.arrays()...)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", at.schema, at.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		cells := rows.RawValues()
		for i := 0; i+2 < len(cells); i += 3 {
			if len(cells[i+2]) > 0 {
				r.ids[extract.PatientID{Source: string(cells[i]), Type: string(cells[i+1]), ID: string(cells[i+2])}] = true
			}
		}
	}
	return rows.Err()
}

// arrays are the person's identifiers as parameters.
func (r *patientPurge) arrays() []any {
	var sources, kinds, ids []string
	for id := range r.ids {
		sources, kinds, ids = append(sources, id.Source), append(kinds, id.Type), append(ids, id.ID)
	}
	return []any{sources, kinds, ids}
}

// read looks at the deliveries whose bytes may name the person.
func (r *patientPurge) read(ctx context.Context) error {
	r.seqs, r.others, r.broken = map[int64]bool{}, 0, 0
	needles := needlesOf(slices.Collect(maps.Keys(r.ids)))
	_, err := r.w.eachDelivery(ctx, r.tx, r.feed, slices.Collect(maps.Keys(r.ids)), func(d *extract.Delivery) error {
		people, readable := r.feed.People(d)
		hers, others := false, false
		for _, person := range people {
			if slices.ContainsFunc(person, func(id extract.PatientID) bool { return r.ids[id] }) {
				hers = true
				for _, id := range person {
					r.ids[id] = true
				}
			} else {
				others = true
			}
		}
		switch {
		case hers:
			r.seqs[d.Seq] = true
			if others {
				r.others++
			}
		case !readable && holds(d.Body, needles):
			r.seqs[d.Seq] = true
			r.broken++
		}
		return nil
	})
	return err
}

// needlesOf are the identifiers as bytes that a text in quotes has.
func needlesOf(ids []extract.PatientID) [][]byte {
	var all [][]byte
	for _, id := range ids {
		all = append(all, []byte(`"`+id.ID+`"`))
	}
	return all
}

func holds(body []byte, needles [][]byte) bool {
	return slices.ContainsFunc(needles, func(n []byte) bool { return bytes.Contains(body, n) })
}

// eachDelivery calls do with the deliveries of a feed whose bytes are there and may hold one of the identifiers: as it is, or in the
// escapes of JSON, which may stand for any letter.
func (w *Warehouse) eachDelivery(ctx context.Context, q querier, feed Feed, ids []extract.PatientID, do func(*extract.Delivery) error) (n int, err error) {
	words := map[string]bool{}
	for _, id := range ids {
		words[longestPlain(id.ID)] = true
	}
	var needles [][]byte
	if !words[""] {
		for word := range words {
			needles = append(needles, []byte(word))
		}
		needles = append(needles, []byte(`\u`))
	}
	destination := feed.Streams[0].Job
	for last := int64(0); ; {
		rows, err := q.Query(ctx, purgeDeliveriesSQL, destination, last, needles, purgeAtOnce)
		if err != nil {
			return n, err
		}
		some, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*extract.Delivery, error) {
			d := &extract.Delivery{Destination: destination}
			var sent *time.Time
			err := row.Scan(&d.Seq, &d.Key, &d.ReceivedAt, &d.SourceID, &d.Model, &d.EventType, &sent, &d.Test, &d.Body)
			if sent != nil {
				d.EventAt = *sent
			}
			return d, err
		})
		if err != nil {
			return n, err
		}
		for _, d := range some {
			if n, last = n+1, d.Seq; d.Body == nil {
				continue
			}
			if err := do(d); err != nil {
				return n, err
			}
		}
		if len(some) < purgeAtOnce {
			return n, nil
		}
	}
}

// longestPlain is the longest part of a text that JSON writes as it is.
func longestPlain(text string) string {
	longest := ""
	for _, part := range strings.FieldsFunc(text, func(c rune) bool {
		return c > '~' || !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(" ._-^", c))
	}) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}
