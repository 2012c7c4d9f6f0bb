-- Says that the installation $1 is at work here, at most once every ten seconds, and takes note of a new timeline; answers with the old
-- one. It does so only where it is the same place as ever, or nobody was at work here before: $2 is how fresh the beat must be
-- for a new timeline to be a fail-over. Locks: the one row, for one statement.
UPDATE syncd.installation AS i
SET name = $1, system_identifier = coalesce(h.system_identifier, i.system_identifier), database_oid = h.database_oid,
    timeline = coalesce(h.timeline, i.timeline), beat_at = clock_timestamp()
FROM syncd.here() AS h, syncd.installation AS old
WHERE i.stopped IS NULL
  AND (i.beat_at IS NULL OR i.beat_at < clock_timestamp() - interval '10 seconds' OR i.database_oid IS NULL OR i.name IS NULL
       OR i.timeline <> h.timeline)
  AND coalesce(i.name, $1) = $1
  AND coalesce(i.database_oid, h.database_oid) = h.database_oid
  AND (i.database_oid IS NULL OR i.system_identifier IS NULL OR h.system_identifier IS NULL OR i.system_identifier = h.system_identifier)
  AND (i.timeline IS NULL OR h.timeline IS NULL OR i.timeline = h.timeline OR i.beat_at > clock_timestamp() - $2::interval)
RETURNING coalesce(old.timeline, i.timeline), i.timeline
