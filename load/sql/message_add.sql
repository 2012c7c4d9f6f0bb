-- Adds a message of notifier $1 about cause $2, to be sent from $4 on. Locks: nothing that exists.
INSERT INTO syncd.message (notifier, cause, body, made_at, next_at) VALUES ($1, $2, $3, $4, $4)
