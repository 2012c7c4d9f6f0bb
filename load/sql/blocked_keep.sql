-- Remembers persons who were purged from a schema. Locks: the rows it inserts. Idempotent.
INSERT INTO syncd.blocked (schema_name, hash)
SELECT $1, h FROM unnest($2::bytea[]) AS u (h)
ON CONFLICT DO NOTHING
