-- The partitions of the payloads by month that are there. Reads only.
SELECT c.relname FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'syncd.payload'::regclass AND c.relname ~ '^payload_[0-9]{4}_[0-9]{2}$' ORDER BY 1
