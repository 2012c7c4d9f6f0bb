package redox

import (
	"slices"
	"strings"

	"syncd/extract"
)

// patientAlias is an identifier that was retired in favour of others. Nothing of what came under it is rewritten; patient_current resolves it.
var patientAlias = newEntity(tableSpec{
	name:    "patient_alias",
	comment: "Identifiers of patients that were merged into others, each with the identifier that stands for the survivor.",
	key:     "source_id id_type id", also: "into_id_type into_id previous_id_type previous_id overlap:bool event_id",
	indexes: "source_id into_id_type into_id",
})

// retire puts an alias for each identifier that a merge retires. One that stands for the survivor as well is not retired.
func (m *message) retire(previous, into []identifierOf) {
	survivor, old := m.anchor(into), m.anchor(previous)
	if survivor.id == "" {
		return
	}
	stays := map[identifierOf]bool{}
	for _, i := range into {
		stays[i] = true
	}
	overlap := slices.ContainsFunc(previous, func(i identifierOf) bool { return stays[i] })
	for _, i := range previous {
		if i == survivor {
			continue
		}
		t := thing{of: patientAlias, key: []string{m.source, i.kind, i.id}, also: []also{
			set("into_id_type", survivor.kind), set("into_id", survivor.id), set("previous_id_type", old.kind), set("previous_id", old.id),
			set("event_id", m.Key),
		}}
		if overlap {
			t.also = append(t.also, set("overlap", "true"))
		}
		m.put(t)
	}
}

// patientCurrent is the view that says of every identifier which patient it means now.
//
// An identifier that was retired means the survivor of that merge; one that was not means the patient that messages named it for; and
// so on along the chain. Merges that lead back to where they began are a circle: the latest of them counts, so that the identifier
// whose own retirement is the oldest survives.
func patientCurrent(e *entity) extract.View {
	t := e.tables[0]
	var columns []string
	for _, c := range t.live.Columns[t.keys:] {
		columns = append(columns, "p."+quoted(c.Name))
	}
	return extract.View{
		Name:    "patient_current",
		Comment: "Every identifier ever named, with the patient that it means after all merges, and what is known of that patient.",
		Query:   currentLinks + currentWalk + strings.Join(columns, ", ") + currentFrom,
	}
}

// The parts of patient_current.
const (
	// currentLinks leads from an identifier to the next: edge are merges, link merges and what messages named together, loop walks
	// along every merge until it comes back or ends, and knows the oldest step on its way.
	currentLinks = `WITH RECURSIVE edge AS (
    SELECT source_id COLLATE "C" AS source_id, id_type COLLATE "C" AS id_type, id COLLATE "C" AS id,
        coalesce(into_id_type, '') COLLATE "C" AS into_id_type, into_id COLLATE "C" AS into_id, _version COLLATE "C" AS version
    FROM {patient_alias}
), link AS (
    SELECT source_id, id_type, id, into_id_type, into_id, version FROM edge
    UNION ALL
    (SELECT DISTINCT ON (i.source_id, i.id_type, i.id) i.source_id COLLATE "C", i.id_type COLLATE "C", i.id COLLATE "C",
        i.patient_id_type COLLATE "C", i.patient_id COLLATE "C", i._version COLLATE "C"
    FROM {patient_identifier} AS i
    WHERE (i.id_type, i.id) <> (i.patient_id_type, i.patient_id)
      AND NOT EXISTS (SELECT FROM edge AS e WHERE e.source_id = i.source_id AND e.id_type = i.id_type AND e.id = i.id)
    ORDER BY i.source_id, i.id_type, i.id, i._version DESC)
), loop AS (
    SELECT source_id, id_type, id, into_id_type AS at_type, into_id AS at_id, version AS oldest, id_type AS oldest_type, id AS oldest_id, 1 AS steps
    FROM edge
    UNION ALL
    SELECT l.source_id, l.id_type, l.id, n.into_id_type, n.into_id, least(l.oldest, n.version),
        CASE WHEN n.version < l.oldest THEN n.id_type ELSE l.oldest_type END, CASE WHEN n.version < l.oldest THEN n.id ELSE l.oldest_id END, l.steps + 1
    FROM loop AS l
    JOIN link AS n ON n.source_id = l.source_id AND n.id_type = l.at_type AND n.id = l.at_id
    WHERE (l.at_type, l.at_id) <> (l.id_type, l.id) AND l.steps < 1000
), survivor AS (
    SELECT DISTINCT source_id, oldest_type AS id_type, oldest_id AS id FROM loop WHERE (at_type, at_id) = (id_type, id)
), step AS (
    SELECT n.* FROM link AS n
    WHERE NOT EXISTS (SELECT FROM survivor AS s WHERE s.source_id = n.source_id AND s.id_type = n.id_type AND s.id = n.id)
), known AS (
    SELECT source_id, id_type, id FROM edge
    UNION SELECT source_id, into_id_type, into_id FROM edge
    UNION SELECT source_id COLLATE "C", id_type COLLATE "C", id COLLATE "C" FROM {patient_identifier}
    UNION SELECT source_id COLLATE "C", patient_id_type COLLATE "C", patient_id COLLATE "C" FROM {patient_identifier}
)`
	currentWalk = `, walk AS (
    SELECT source_id, id_type, id, id_type AS at_type, id AS at_id, 0 AS steps FROM known
    UNION ALL
    SELECT w.source_id, w.id_type, w.id, n.into_id_type, n.into_id, w.steps + 1
    FROM walk AS w
    JOIN step AS n ON n.source_id = w.source_id AND n.id_type = w.at_type AND n.id = w.at_id
    WHERE w.steps < 1000
), goal AS (
    SELECT DISTINCT ON (source_id, id_type, id) source_id, id_type, id, at_type, at_id FROM walk ORDER BY source_id, id_type, id, steps DESC
)
SELECT g.source_id, g.id_type, g.id, g.at_type AS patient_id_type, g.at_id AS patient_id,
    EXISTS (SELECT FROM {patient_alias} AS a WHERE a.source_id = g.source_id AND a.id_type = g.id_type AND a.id = g.id) AS retired, `
	currentFrom = `
FROM goal AS g
LEFT JOIN {patient} AS p ON p.source_id = g.source_id AND p.patient_id_type = g.at_type AND p.patient_id = g.at_id`
)

// mergeReview is the view of merges that a person should look at.
func mergeReview(*entity) extract.View {
	return extract.View{
		Name:    "merge_review",
		Comment: "Merges that a person should look at, and why.",
		Query: `WITH RECURSIVE reach AS (
    SELECT source_id, id_type, id, coalesce(into_id_type, '') COLLATE "C" AS at_type, into_id COLLATE "C" AS at_id, 1 AS steps
    FROM {patient_alias}
    UNION ALL
    SELECT r.source_id, r.id_type, r.id, coalesce(n.into_id_type, '') COLLATE "C", n.into_id COLLATE "C", r.steps + 1
    FROM reach AS r
    JOIN {patient_alias} AS n ON n.source_id = r.source_id AND n.id_type = r.at_type AND n.id = r.at_id
    WHERE (r.at_type, r.at_id) <> (r.id_type, r.id) AND r.steps < 1000
)
SELECT source_id, id_type, id, into_id_type, into_id, event_id, 'merged back' AS reason
FROM {patient_alias} AS a
WHERE EXISTS (SELECT FROM reach AS r
    WHERE r.source_id = a.source_id AND r.id_type = a.id_type AND r.id = a.id AND r.at_type = a.id_type AND r.at_id = a.id)
   OR EXISTS (SELECT FROM {_history.patient_alias} AS b
    WHERE b.source_id = a.source_id AND b.id_type = coalesce(a.into_id_type, '') AND b.id = a.into_id
      AND coalesce(b.into_id_type, '') = a.id_type AND b.into_id = a.id)
UNION ALL
SELECT source_id, id_type, id, into_id_type, into_id, event_id, 'some identifiers stand on both sides'
FROM {patient_alias} WHERE overlap
UNION ALL
SELECT a.source_id, a.id_type, a.id, a.into_id_type, a.into_id, a.event_id, 'merged into different patients'
FROM {patient_alias} AS a
WHERE EXISTS (SELECT FROM {_history.patient_alias} AS b
    WHERE b.source_id = a.source_id AND b.id_type = a.id_type AND b.id = a.id AND (coalesce(b.into_id_type, ''), b.into_id) <> (coalesce(a.into_id_type, ''), a.into_id))
UNION ALL
SELECT DISTINCT a.source_id, a.id_type, a.id, a.into_id_type, a.into_id, a.event_id, 'the same id is known under another type'
FROM {patient_alias} AS a
JOIN {patient_identifier} AS i ON i.source_id = a.source_id AND i.id = a.id AND i.id_type <> a.id_type
UNION ALL
SELECT source_id, patient_id_type, patient_id, NULL, NULL, event_id, 'visits were merged, and the message does not say which'
FROM {visit_merge}`,
	}
}
