-- Whether persons were purged from a schema, who are kept out of it by that. Reads only.
SELECT EXISTS (SELECT FROM syncd.blocked WHERE schema_name = $1)
