-- Frees all claims and raises their epochs beyond any that may have been given since the data was what it is: what still believes to
-- hold one writes nothing. Locks: those rows.
UPDATE syncd.claim
SET epoch = greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint), holder = NULL, run_id = NULL, beat_at = NULL
