-- Drops the partition of a month with all that it holds. Locks: that table, and for a moment the table of all payloads.
SELECT syncd.drop_payload_month($1, true)
