-- Tells whether a source $1 is down, and since when; no row where it is not. Where a probe is due it is claimed, and the next
-- one is due after $2. $3 is for tests: the present. Locks: the row, where a probe is due; of several who find it due
-- one gets it. Not idempotent: a lost answer is a probe that nobody makes.
WITH probe AS (
    UPDATE syncd.circuit
    SET probe_at = coalesce($3::timestamptz, clock_timestamp()) + $2::interval, updated_at = clock_timestamp()
    WHERE source = $1 AND down_since IS NOT NULL AND probe_at <= coalesce($3::timestamptz, clock_timestamp())
    RETURNING source
)
SELECT coalesce(c.kind, ''), c.down_since, c.probe_at, coalesce($3::timestamptz, clock_timestamp()), EXISTS (SELECT FROM probe)
FROM syncd.circuit AS c
WHERE c.source = $1 AND c.down_since IS NOT NULL
