-- The roles of syncd, for the DBA: syncd roles | psql -d DATABASE. It may be run again at any time, also on a database that one role
-- has kept until now: what syncd made is handed to its new owners.
--
--   syncd_migrate  owns schema syncd and brings it to a new version ([postgres] migrate_url in jobs.toml)
--   syncd_app      owns the schemas of jobs and receivers; in schema syncd it reads and writes rows and makes nothing ([postgres] url)
--   syncd_report   reads the views over all projects; give it the schemas of projects one by one
--   syncd_audit    reads what people did with syncd, and the runs
--
-- The first two log in and have no password yet: \password syncd_migrate and \password syncd_app. The others are given to people
-- (GRANT syncd_report TO somebody).
DO $roles$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['syncd_migrate', 'syncd_app', 'syncd_report', 'syncd_audit'] LOOP
        IF to_regrole(r) IS NULL THEN
            EXECUTE format('CREATE ROLE %I %s', r, CASE WHEN r IN ('syncd_migrate', 'syncd_app') THEN 'LOGIN' ELSE 'NOLOGIN' END);
        END IF;
    END LOOP;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT syncd_migrate, syncd_app TO CURRENT_USER; -- only a member may hand something to a role
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO syncd_migrate, syncd_app, syncd_report, syncd_audit', current_database());
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO syncd_migrate, syncd_app', current_database());
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    CREATE SCHEMA IF NOT EXISTS syncd AUTHORIZATION syncd_migrate;
    ALTER DEFAULT PRIVILEGES FOR ROLE syncd_migrate IN SCHEMA syncd GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncd_app;
    ALTER DEFAULT PRIVILEGES FOR ROLE syncd_migrate IN SCHEMA syncd GRANT USAGE, SELECT ON SEQUENCES TO syncd_app;
END
$roles$;

-- What one role kept until now goes to its new owner. Sequences go with their tables.
DO $owners$
DECLARE
    o record;
    s name;
BEGIN
    IF to_regclass('syncd.table_def') IS NOT NULL THEN
        FOR s IN EXECUTE $$SELECT DISTINCT n.nspname FROM pg_namespace AS n
                           JOIN syncd.job AS j ON n.nspname ~ ('^' || j.schema_name || '(_labels|_deid|_meta|_deleted|_history|_test)?(_meta|_deleted|_history)?$')
                           WHERE n.nspname <> 'syncd'$$ LOOP
            FOR o IN SELECT format('%I.%I', s, c.relname) AS name FROM pg_class AS c
                     JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspowner = c.relowner
                     WHERE n.nspname = s AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relowner <> 'syncd_app'::regrole LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO syncd_app', o.name);
            END LOOP;
            EXECUTE format('ALTER SCHEMA %I OWNER TO syncd_app', s);
        END LOOP;
    END IF;
    FOR o IN SELECT format('%I.%I', 'syncd', c.relname) AS name FROM pg_class AS c
             WHERE c.relnamespace = 'syncd'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relowner <> 'syncd_migrate'::regrole LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO syncd_migrate', o.name);
    END LOOP;
    FOR o IN SELECT p.oid::regprocedure AS name FROM pg_proc AS p
             WHERE p.pronamespace = 'syncd'::regnamespace AND p.proowner <> 'syncd_migrate'::regrole LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO syncd_migrate', o.name);
    END LOOP;
    FOR o IN SELECT t.oid::regtype AS name FROM pg_type AS t
             WHERE t.typnamespace = 'syncd'::regnamespace AND t.typtype = 'e' AND t.typowner <> 'syncd_migrate'::regrole LOOP
        EXECUTE format('ALTER TYPE %s OWNER TO syncd_migrate', o.name);
    END LOOP;
    ALTER SCHEMA syncd OWNER TO syncd_migrate;
END
$owners$;
