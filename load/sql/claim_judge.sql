-- Says of each claim that claim_lock.sql locked whether its holder is alive. A statement of its own, so that the clock
-- is read after the wait for the lock. Reads only.
SELECT c.chunk, c.epoch, coalesce(c.run_id, 0), coalesce(c.holder, ''), coalesce(r.started_at, clock_timestamp()),
       coalesce(clock_timestamp() - c.beat_at, interval '0'),
       coalesce(c.holder IS NOT NULL AND r.state = 'running' AND c.beat_at > clock_timestamp() - $3::interval, false)
FROM syncd.claim AS c
LEFT JOIN syncd.run AS r USING (run_id)
WHERE c.job = $1 AND (c.chunk = $2 OR c.chunk = '' OR $2 = '')
ORDER BY c.chunk
