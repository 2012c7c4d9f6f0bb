-- The sources that are down. Reads only.
SELECT source, coalesce(kind, ''), down_since, probe_at, clock_timestamp()
FROM syncd.circuit
WHERE down_since IS NOT NULL
ORDER BY source
