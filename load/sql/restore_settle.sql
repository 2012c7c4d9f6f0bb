-- Says that the installation $1 lives here from now on, as a new one ($2) or the same. Locks: the one row.
UPDATE syncd.installation AS i
SET id = CASE WHEN $2::boolean THEN gen_random_uuid() ELSE i.id END, name = $1, system_identifier = h.system_identifier,
    database_oid = h.database_oid, timeline = h.timeline, beat_at = clock_timestamp(), generation = i.generation + 1, stopped = NULL
FROM syncd.here() AS h
RETURNING i.id::text
