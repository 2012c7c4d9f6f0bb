-- Says how much of a day's task is done. Locks: that row.
UPDATE syncd.care SET beat_at = clock_timestamp(), counts = $4 WHERE task = $1 AND day = $2::date AND holder = $3
