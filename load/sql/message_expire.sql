-- Gives up messages that were made before $1, whoever was to send them. Locks: the rows. Idempotent.
UPDATE syncd.message SET given_up_at = $2, error = coalesce(error, 'no notifier of that name was there to send it')
WHERE sent_at IS NULL AND given_up_at IS NULL AND made_at < $1
