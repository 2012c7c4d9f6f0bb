-- Deletes the rejects of a person: those of a job ($1) whose key has one of the hashes ($4); in tables that begin with the name ($2) those
-- whose key is, or begins with, one of the names ($3); in other tables that name people ($6), and where there is no key, those whose
-- bytes hold a name ($5). Locks: those rows.
DELETE FROM syncd.reject AS r
WHERE r.job = $1
  AND (r.key_hash = ANY ($4::uuid[])
    OR r.table_name = ANY ($2::text[]) AND EXISTS (SELECT FROM unnest($3::text[]) AS n WHERE r.source_key = n OR starts_with(r.source_key, n || '|'))
    OR (r.source_key IS NULL OR r.table_name = ANY ($6::text[])) AND EXISTS (SELECT FROM unnest($5::bytea[]) AS b WHERE position(b IN r.raw) > 0))
