-- Keeps a group of deliveries and their bytes, and answers those that are new. Locks: the rows it inserts; a group is sorted, so
-- that two of them wait for each other in one order. Idempotent.
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::boolean[], $10::bytea[])
        AS u (destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test, body)
), kept AS (
    INSERT INTO syncd.delivery (destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test)
    SELECT destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test FROM input
    ON CONFLICT (destination, dedupe_key, body_sha256) DO NOTHING
    RETURNING seq, destination, dedupe_key, body_sha256, received_at
), bytes AS (
    INSERT INTO syncd.payload (seq, received_at, body)
    SELECT k.seq, k.received_at, i.body FROM kept AS k JOIN input AS i USING (destination, dedupe_key, body_sha256)
)
SELECT destination, dedupe_key, body_sha256 FROM kept
