-- Queues for one place of a host; refused with 55P03 where it does not become free within lock_timeout. Locks: the
-- place, until the session leaves it or ends.
SELECT pg_advisory_lock($1)
