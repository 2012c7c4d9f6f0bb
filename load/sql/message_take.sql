-- Takes the next message of one of the notifiers $1 that is due at $2, and keeps others from it until $3. A notifier's messages go
-- out in their order. Locks: the row, never waiting. Not idempotent: a lost answer is a message that waits until $3.
UPDATE syncd.message
SET tries = tries + 1, next_at = $3
WHERE message_id = (
    SELECT m.message_id FROM syncd.message AS m
    WHERE m.notifier = ANY ($1::text[]) AND m.sent_at IS NULL AND m.given_up_at IS NULL AND m.next_at <= $2
      AND NOT EXISTS (SELECT FROM syncd.message AS e WHERE e.notifier = m.notifier AND e.message_id < m.message_id
                                                       AND e.sent_at IS NULL AND e.given_up_at IS NULL)
    ORDER BY m.message_id LIMIT 1 FOR UPDATE SKIP LOCKED)
  AND sent_at IS NULL AND given_up_at IS NULL AND next_at <= $2
RETURNING message_id, notifier, cause, body, made_at, tries
