-- Says that a day's task is done. Locks: that row. Idempotent.
UPDATE syncd.care SET ended_at = clock_timestamp() WHERE task = $1 AND day = $2::date AND holder = $3 AND ended_at IS NULL
