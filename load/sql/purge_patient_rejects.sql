-- Deletes the rejects of a person: those of the jobs $1 that came with deliveries of the keys $2, whose key is one of $3, or whose bytes
-- hold one of the identifiers $4. Locks: those rows.
DELETE FROM syncd.reject AS r
WHERE r.job = ANY ($1::text[])
  AND (split_part(r.source_key, '|', 1) = ANY ($2::text[]) OR r.source_key = ANY ($3::text[])
    OR EXISTS (SELECT FROM unnest($4::bytea[]) AS b WHERE position(b IN r.raw) > 0))
