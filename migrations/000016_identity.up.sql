-- What makes it possible that several roles share the work, that nobody rewrites what was done, and that a restored or copied
-- database is known for one: partitions of the inbox made on behalf of the owner, the chain of the audit, the place of the installation.
-- done: SELECT to_regprocedure('syncd.here()') IS NOT NULL
BEGIN;

-- The bytes of pushes lie in a partition for each month. Only the owner of the inbox can make and drop those, and the role that
-- receives is not the owner: these two do for it what it needs, and nothing else.
CREATE OR REPLACE FUNCTION syncd.make_payload_month(month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $function$
DECLARE
    first date := date_trunc('month', month::timestamp)::date;
    child text := 'payload_' || to_char(month, 'YYYY_MM');
BEGIN
    IF month < DATE '2000-01-01' OR month > (clock_timestamp() + interval '2 years')::date THEN
        RAISE EXCEPTION 'no month to make a partition for' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass('syncd.' || child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE IF NOT EXISTS syncd.%I PARTITION OF syncd.payload FOR VALUES FROM (%L) TO (%L)',
                   child, first::timestamptz, (first + interval '1 month')::timestamptz);
    RETURN true;
END
$function$;
COMMENT ON FUNCTION syncd.make_payload_month(date) IS 'Makes the partition of the inbox for the month of a day. Answers false where it is there.';

CREATE OR REPLACE FUNCTION syncd.drop_payload_month(name text, even_full boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    holds boolean;
BEGIN
    IF name !~ '^payload_[0-9]{4}_[0-9]{2}$'
       OR NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'syncd.payload'::regclass AND inhrelid = to_regclass('syncd.' || name)) THEN
        RETURN false;
    END IF;
    IF NOT even_full THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM syncd.%I)', name) INTO holds;
        IF holds THEN
            RETURN false; -- without having stood in anybody's way
        END IF;
    END IF;
    EXECUTE format('LOCK TABLE syncd.%I IN ACCESS EXCLUSIVE MODE', name);
    IF NOT even_full THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM syncd.%I)', name) INTO holds;
        IF holds THEN
            RETURN false;
        END IF;
    END IF;
    EXECUTE format('DROP TABLE syncd.%I', name);
    RETURN true;
END
$function$;
COMMENT ON FUNCTION syncd.drop_payload_month(text, boolean) IS 'Drops a partition of the inbox that holds nothing, or whatever it holds. Answers false where it stays.';
REVOKE ALL ON FUNCTION syncd.make_payload_month(date), syncd.drop_payload_month(text, boolean) FROM PUBLIC;

-- Each row of the audit carries the hash of the one before and its own, so that a row that is changed or taken away later shows.
-- Whoever writes waits for whoever is writing: there is one chain, and its numbers follow it.
ALTER TABLE syncd.audit ADD COLUMN IF NOT EXISTS prev_hash bytea, ADD COLUMN IF NOT EXISTS row_hash bytea;

CREATE OR REPLACE FUNCTION syncd.audit_text(audit_id bigint, at timestamptz, actor text, action text, subject text, detail jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_array(audit_id, (extract(epoch FROM at) * 1000000)::bigint, actor, action, subject, detail)::text;
COMMENT ON FUNCTION syncd.audit_text IS 'The words of an audit row over which its hash is taken, after the hash of the row before.';

CREATE OR REPLACE FUNCTION syncd.audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('syncd.audit', 0));
    SELECT a.audit_id, a.row_hash INTO last FROM syncd.audit AS a ORDER BY a.audit_id DESC LIMIT 1;
    NEW.audit_id := coalesce(last.audit_id, 0) + 1;
    NEW.at := clock_timestamp();
    NEW.prev_hash := coalesce(last.row_hash, ''::bytea);
    NEW.row_hash := sha256(NEW.prev_hash || convert_to(syncd.audit_text(NEW.audit_id, NEW.at, NEW.actor, NEW.action, NEW.subject, NEW.detail), 'UTF8'));
    RETURN NEW;
END
$function$;

CREATE OR REPLACE FUNCTION syncd.audit_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'syncd.audit is written once and never changed' USING ERRCODE = 'insufficient_privilege';
END
$function$;

DO $chain$
DECLARE
    a record;
    last bytea := ''::bytea;
BEGIN
    IF EXISTS (SELECT FROM syncd.audit WHERE row_hash IS NULL) THEN
        FOR a IN SELECT * FROM syncd.audit ORDER BY audit_id LOOP
            UPDATE syncd.audit SET prev_hash = last,
                row_hash = sha256(last || convert_to(syncd.audit_text(a.audit_id, a.at, a.actor, a.action, a.subject, a.detail), 'UTF8'))
            WHERE audit_id = a.audit_id RETURNING row_hash INTO last;
        END LOOP;
    END IF;
END
$chain$;
ALTER TABLE syncd.audit ALTER COLUMN prev_hash SET NOT NULL, ALTER COLUMN row_hash SET NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS audit_one_chain ON syncd.audit (prev_hash);
CREATE OR REPLACE TRIGGER audit_chain BEFORE INSERT ON syncd.audit FOR EACH ROW EXECUTE FUNCTION syncd.audit_chain();
CREATE OR REPLACE TRIGGER audit_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON syncd.audit FOR EACH STATEMENT EXECUTE FUNCTION syncd.audit_keep();
COMMENT ON TABLE syncd.audit IS 'Care actions: who did what to which job, when. Rows are never changed; each carries the hash of the one before.';

-- Where this installation lives, as of its last beat. A database that finds itself elsewhere was restored or copied.
ALTER TABLE syncd.installation
    ADD COLUMN IF NOT EXISTS name text,
    ADD COLUMN IF NOT EXISTS system_identifier bigint,
    ADD COLUMN IF NOT EXISTS database_oid bigint,
    ADD COLUMN IF NOT EXISTS timeline integer,
    ADD COLUMN IF NOT EXISTS beat_at timestamptz,
    ADD COLUMN IF NOT EXISTS generation integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS stopped text;
COMMENT ON TABLE syncd.installation IS 'Which installation this is, where it lives, and when it was last seen at work. generation grows when it is restored, moved or cloned; stopped says why nobody may work in it.';

-- Where this session is. What the server does not tell to this role is unknown, and not compared.
CREATE OR REPLACE FUNCTION syncd.here(OUT system_identifier bigint, OUT database_oid bigint, OUT timeline integer)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    database_oid := (SELECT d.oid::bigint FROM pg_database AS d WHERE d.datname = current_database());
    BEGIN
        system_identifier := (SELECT s.system_identifier FROM pg_control_system() AS s);
    EXCEPTION WHEN insufficient_privilege OR undefined_function THEN
        NULL;
    END;
    BEGIN
        IF NOT pg_is_in_recovery() THEN
            timeline := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
        END IF;
    EXCEPTION WHEN insufficient_privilege OR undefined_function OR feature_not_supported OR object_not_in_prerequisite_state THEN
        NULL;
    END;
END
$function$;
COMMENT ON FUNCTION syncd.here() IS 'Cluster, database and timeline of this session.';

COMMIT;
