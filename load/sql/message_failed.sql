-- Notes that a message $1 could not be sent, in words $2; it is tried again at $3, or given up where that is NULL, at $4. Locks: the
-- row. Idempotent.
UPDATE syncd.message
SET error = $2, next_at = coalesce($3, next_at), given_up_at = CASE WHEN $3::timestamptz IS NULL THEN $4::timestamptz END
WHERE message_id = $1 AND sent_at IS NULL
