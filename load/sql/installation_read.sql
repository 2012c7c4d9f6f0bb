-- Which installation the database says it is, where it last was, and where this session is. Reads only.
SELECT i.id::text, coalesce(i.name, ''), i.generation, i.beat_at, clock_timestamp(), pg_is_in_recovery(), coalesce(i.stopped, ''),
       i.system_identifier, i.database_oid, i.timeline, h.system_identifier, h.database_oid, h.timeline
FROM syncd.installation AS i CROSS JOIN syncd.here() AS h
