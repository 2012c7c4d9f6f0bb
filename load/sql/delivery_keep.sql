-- Keeps a group of deliveries and their bytes, and answers the numbers, from 1, of those that are new. Locks: the rows it inserts; a
-- group is sorted, so that two of them wait for each other in one order. Idempotent. The bytes stay in their array until they are
-- written: as a column of input they would be copied from step to step.
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::boolean[]) WITH ORDINALITY
        AS u (destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test, n)
), kept AS (
    INSERT INTO syncd.delivery (destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test)
    SELECT destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test FROM input
    ON CONFLICT (destination, dedupe_key, body_sha256) DO NOTHING
    RETURNING seq, destination, dedupe_key, body_sha256, received_at
), fresh AS (
    SELECT k.seq, k.received_at, i.n FROM kept AS k JOIN input AS i USING (destination, dedupe_key, body_sha256)
), bytes AS (
    INSERT INTO syncd.payload (seq, received_at, body)
    SELECT seq, received_at, ($10::bytea[])[n] FROM fresh
)
SELECT n FROM fresh
