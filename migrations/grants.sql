-- What the roles of syncd may do in schema syncd. The owner of the schema runs it after every migration. Where the roles were not made,
-- or one of them owns the schema and does all, it changes nothing for that one. Idempotent.
DO $grants$
DECLARE
    t text;
    owner name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'syncd');
BEGIN
    IF owner IS NULL THEN
        RETURN;
    END IF;
    IF to_regrole('syncd_app') IS NOT NULL AND owner <> 'syncd_app' THEN
        GRANT USAGE ON SCHEMA syncd TO syncd_app;
        REVOKE CREATE ON SCHEMA syncd FROM syncd_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncd TO syncd_app;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA syncd TO syncd_app;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA syncd TO syncd_app;
        -- Versions and rules come with a migration.
        FOREACH t IN ARRAY ARRAY['syncd.schema_migration', 'syncd.river_migration', 'syncd.value_rule'] LOOP
            IF to_regclass(t) IS NOT NULL THEN
                EXECUTE 'REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ' || t || ' FROM syncd_app';
            END IF;
        END LOOP;
        -- What was done stays written down.
        IF to_regclass('syncd.audit') IS NOT NULL THEN
            REVOKE UPDATE, DELETE, TRUNCATE ON syncd.audit FROM syncd_app;
        END IF;
        -- There is one installation, and it stays.
        IF to_regclass('syncd.installation') IS NOT NULL THEN
            REVOKE INSERT, DELETE, TRUNCATE ON syncd.installation FROM syncd_app;
        END IF;
    END IF;
    IF to_regrole('syncd_report') IS NOT NULL AND owner <> 'syncd_report' THEN
        GRANT USAGE ON SCHEMA syncd TO syncd_report;
        FOREACH t IN ARRAY ARRAY['syncd.job', 'syncd.table_def', 'syncd.column_def', 'syncd.value_rule', 'syncd.nonconforming',
                                 'syncd.nonconforming_summary', 'syncd.all_field', 'syncd.all_choice', 'syncd.all_event', 'syncd.all_dag'] LOOP
            IF to_regclass(t) IS NOT NULL THEN
                EXECUTE 'GRANT SELECT ON ' || t || ' TO syncd_report';
            END IF;
        END LOOP;
    END IF;
    IF to_regrole('syncd_audit') IS NOT NULL AND owner <> 'syncd_audit' THEN
        GRANT USAGE ON SCHEMA syncd TO syncd_audit;
        FOREACH t IN ARRAY ARRAY['syncd.audit', 'syncd.installation', 'syncd.job', 'syncd.run', 'syncd.run_table', 'syncd.schema_change'] LOOP
            IF to_regclass(t) IS NOT NULL THEN
                EXECUTE 'GRANT SELECT ON ' || t || ' TO syncd_audit';
            END IF;
        END LOOP;
    END IF;
END
$grants$;
