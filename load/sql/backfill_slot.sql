-- Whether a slot of a job is running, or due and about to be run: a daemon is there, and the slot is not put off for long. Chunks wait
-- for it. Reads only.
SELECT EXISTS (
    SELECT FROM syncd.slot AS s
    WHERE s.job = $1
      AND (s.state = 'running'
           OR s.state = 'due'
              AND EXISTS (SELECT FROM syncd.river_leader WHERE expires_at > clock_timestamp())
              AND NOT EXISTS (
                  SELECT FROM syncd.river_job AS q
                  WHERE q.kind = 'slot' AND q.state = 'scheduled' AND q.scheduled_at > clock_timestamp() + interval '15 s'
                    AND q.args @> jsonb_build_object('job', s.job, 'kind', s.kind, 'slot', (extract(epoch FROM s.slot_at) * 1000000)::bigint))))
