-- Drops a partition of the inbox that holds nothing any more. Locks: that partition, only where it seems empty. Idempotent.
SELECT syncd.drop_payload_month($1)
