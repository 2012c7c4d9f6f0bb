-- Takes a day of a task ($1, $2) for a replica ($3); one that another has begun and not gone on with for $4 is taken from it. No row: the
-- day is done, or another is at it. Locks: that row.
INSERT INTO syncd.care AS c (task, day, holder) VALUES ($1, $2::date, $3)
ON CONFLICT (task, day) DO UPDATE SET holder = excluded.holder, beat_at = clock_timestamp()
    WHERE c.ended_at IS NULL AND c.beat_at < clock_timestamp() - $4::interval
RETURNING true
