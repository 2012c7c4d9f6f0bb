-- Which records of a schema were found under another name. Reads only.
SELECT DISTINCT old, new FROM syncd.record_rename WHERE schema_name = $1 ORDER BY old, new
