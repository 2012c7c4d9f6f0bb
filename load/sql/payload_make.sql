-- Makes the partition of the inbox for the month of a day. Locks: the default partition, for one statement. Idempotent.
SELECT syncd.make_payload_month($1)
