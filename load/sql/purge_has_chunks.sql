-- Whether parts of backfills keep ids, as an array of texts. Reads the catalogue only.
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('syncd.backfill_chunk') AND attname = 'ids' AND atttypid = 'text[]'::regtype AND NOT attisdropped)
