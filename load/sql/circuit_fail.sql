-- Counts a failure of a source $1 in a few words $2; the $3rd in a row opens its circuit, with the first probe after $4.
-- Answers whether it was this one that opened it. $5 is for tests: the present. Locks: the row. Not idempotent: a repeated one
-- counts twice.
INSERT INTO syncd.circuit AS c (source, failures, kind)
VALUES ($1, 1, $2)
ON CONFLICT (source) DO UPDATE
SET failures = c.failures + 1,
    kind = $2,
    down_since = CASE WHEN c.down_since IS NULL AND c.failures + 1 >= $3 THEN coalesce($5::timestamptz, clock_timestamp()) ELSE c.down_since END,
    probe_at = CASE WHEN c.down_since IS NULL AND c.failures + 1 >= $3 THEN coalesce($5::timestamptz, clock_timestamp()) + $4::interval ELSE c.probe_at END,
    updated_at = clock_timestamp()
RETURNING down_since IS NOT NULL AND failures = $3
