-- Closes the circuit of a source that answered and forgets its failures; answers since when it was down (NULL: it was not), and
-- nothing where there was nothing to forget. Locks: the row. Idempotent.
UPDATE syncd.circuit AS c
SET failures = 0, kind = NULL, down_since = NULL, probe_at = NULL, updated_at = clock_timestamp()
FROM (SELECT source, down_since FROM syncd.circuit WHERE source = $1 AND (failures > 0 OR down_since IS NOT NULL) FOR UPDATE) AS was
WHERE c.source = was.source
RETURNING was.down_since
