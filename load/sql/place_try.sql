-- Takes one of two advisory locks, those of a host's places, and answers which: 1, 2, or 0 where both are taken. Locks: the
-- one that it took, until the session leaves it or ends.
SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 WHEN pg_try_advisory_lock($2) THEN 2 ELSE 0 END
