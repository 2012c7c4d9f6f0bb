-- Messages that are to be sent yet, by notifier, and those that were given up within 90 days. Reads only.
SELECT notifier, count(*) FILTER (WHERE sent_at IS NULL AND given_up_at IS NULL), count(*) FILTER (WHERE given_up_at IS NOT NULL)
FROM syncd.message GROUP BY notifier ORDER BY notifier
