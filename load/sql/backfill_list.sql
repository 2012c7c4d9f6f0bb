-- Backfills, newest first: of a job ('' for all), by ID (0 for all), of those that have ended as many as $4, open ones always.
-- at_work counts the runs that are at a backfill and were heard within $3. Reads only.
SELECT b.backfill_id, b.job, b.state, b.from_at, b.to_at, b.first, b.automatic, b.detached, b.chunk_size, b.parallel, b.described,
       b.records, b.chunks, coalesce(c.done, 0), coalesce(c.running, 0), coalesce(c.failed, 0), coalesce(c.records_done, 0),
       coalesce(c.rows, 0), coalesce(c.requests, 0), b.requests_estimate,
       (SELECT count(*) FROM syncd.claim AS x
        WHERE x.job = b.job AND x.holder IS NOT NULL AND x.beat_at > clock_timestamp() - $3::interval
          AND b.state NOT IN ('succeeded', 'cancelled') AND (x.chunk = '' OR x.chunk LIKE b.backfill_id || '/%')),
       b.created_by, b.created_at, b.ended_at, coalesce(b.reason, ''), coalesce(c.reason, '')
FROM syncd.backfill AS b
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'running') AS running,
           count(*) FILTER (WHERE state = 'failed') AS failed, sum(records) FILTER (WHERE state = 'done') AS records_done,
           sum(rows)::bigint AS rows, sum(requests)::bigint AS requests, min(reason) FILTER (WHERE state = 'failed') AS reason
    FROM syncd.backfill_chunk AS k WHERE k.backfill_id = b.backfill_id
) AS c ON true
WHERE ($1 = '' OR b.job = $1) AND ($2::bigint = 0 OR b.backfill_id = $2)
  AND ($2::bigint > 0 OR b.state NOT IN ('succeeded', 'cancelled')
       OR b.backfill_id IN (SELECT e.backfill_id FROM syncd.backfill AS e
                            WHERE e.state IN ('succeeded', 'cancelled') ORDER BY e.backfill_id DESC LIMIT $4))
ORDER BY b.backfill_id DESC
