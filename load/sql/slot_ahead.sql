-- How many due slots of the jobs of a source $1 stand before the slot ($2 instant, $3 job, $4 kind). Reads only.
SELECT count(*)
FROM syncd.slot AS s
JOIN syncd.job AS j ON j.job = s.job
WHERE j.source = $1 AND s.state = 'due' AND (s.slot_at, s.job, s.kind) < ($2::timestamptz, $3::text, $4::text)
