-- Notes that a message $1 was sent. Locks: the row. Idempotent.
UPDATE syncd.message SET sent_at = $2, error = NULL WHERE message_id = $1 AND sent_at IS NULL
