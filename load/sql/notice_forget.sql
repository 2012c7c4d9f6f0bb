-- Lets old notices, messages and sightings go, as of $1: notices a year after their end, messages after 90 days, what no process
-- sees any more after a month. Locks: the rows. Idempotent.
WITH notices AS (
    DELETE FROM syncd.notice WHERE ended_at < $1::timestamptz - interval '1 year'
), messages AS (
    DELETE FROM syncd.message WHERE made_at < $1::timestamptz - interval '90 days'
)
DELETE FROM syncd.sighting WHERE good_until < $1::timestamptz - interval '30 days'
