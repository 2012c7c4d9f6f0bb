-- Changes of structure that wait in some schemas. Reads only.
SELECT schema_name, table_name, column_name, kind FROM syncd.schema_change WHERE state = 'pending' AND schema_name = ANY ($1)
