-- Keeps what a process saw, unless somebody saw something newer. Locks: the rows it writes. Idempotent.
INSERT INTO syncd.sighting AS s (cause, subject, replica, seen_at, good_until, expires_at)
SELECT c, j, $1, a, g, e FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[]) AS u (c, j, a, g, e)
ORDER BY c, j
ON CONFLICT (cause, subject, replica) DO UPDATE
SET seen_at = excluded.seen_at, good_until = excluded.good_until, expires_at = excluded.expires_at
WHERE s.seen_at < excluded.seen_at
