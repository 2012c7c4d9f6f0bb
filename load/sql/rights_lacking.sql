-- What the role lacks of what syncd needs, and the statement that gives it: $1 whether syncd makes its tables itself, $2 the schemas of the
-- configuration. Reads only.
WITH me AS (SELECT current_user::text AS role, current_database()::text AS db),
ledger AS (
    SELECT c.oid, c.relname,
           CASE WHEN c.relname IN ('schema_migration', 'river_migration', 'value_rule') THEN ARRAY['SELECT']
                WHEN c.relname = 'audit' THEN ARRAY['SELECT', 'INSERT']
                WHEN c.relname = 'installation' THEN ARRAY['SELECT', 'UPDATE']
                ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END AS needs
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'syncd' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
)
SELECT lacks, grants FROM (
    SELECT 1 AS place, 'CREATE on database ' || db AS lacks, format('GRANT CREATE ON DATABASE %I TO %I', db, role) AS grants
    FROM me WHERE $1::boolean AND NOT has_database_privilege(db, 'CREATE')
    UNION ALL
    SELECT 2, 'TEMPORARY on database ' || db, format('GRANT TEMPORARY ON DATABASE %I TO %I', db, role)
    FROM me WHERE NOT has_database_privilege(db, 'TEMPORARY')
    UNION ALL
    SELECT 3, 'USAGE on schema syncd', format('GRANT USAGE ON SCHEMA syncd TO %I', role)
    FROM me, pg_namespace AS n WHERE n.nspname = 'syncd' AND NOT has_schema_privilege(n.oid, 'USAGE')
    UNION ALL
    SELECT 4, string_agg(p, ', ' ORDER BY p) || ' on syncd.' || l.relname,
           format('GRANT %s ON syncd.%I TO %I', string_agg(p, ', ' ORDER BY p), l.relname, (SELECT role FROM me))
    FROM ledger AS l CROSS JOIN unnest(l.needs) AS p WHERE NOT has_table_privilege(l.oid, p) GROUP BY l.relname
    UNION ALL
    SELECT 5, 'ownership of schema ' || n.nspname, format('ALTER SCHEMA %I OWNER TO %I', n.nspname, role)
    FROM me, pg_namespace AS n WHERE $1::boolean AND n.nspname = ANY ($2::text[]) AND NOT pg_has_role(n.nspowner, 'USAGE')
) AS list ORDER BY place, lacks
