-- Takes the next instant at which a request may be sent to a host $1, moves it on by a spacing $2, and answers how many
-- microseconds it is to wait (0 or less: none). The row may lag behind the clock by $3, which is what may come at once after
-- a pause. Whatever stands more than ten minutes ahead was left by a clock that has been set back. $4 is for
-- tests: the present. Locks: the row, for the statement. Not idempotent: a lost answer is an instant that nobody uses.
INSERT INTO syncd.budget AS b (host, next_at)
VALUES ($1, coalesce($4::timestamptz, clock_timestamp()) + $2::interval)
ON CONFLICT (host) DO UPDATE
SET next_at = greatest(least(b.next_at, coalesce($4::timestamptz, clock_timestamp()) + interval '10 minutes'),
                       coalesce($4::timestamptz, clock_timestamp()) - $3::interval) + $2::interval,
    updated_at = clock_timestamp()
RETURNING (extract(epoch FROM b.next_at - $2::interval - coalesce($4::timestamptz, clock_timestamp())) * 1000000)::bigint
