-- What monitoring reads and what people are told: totals of runs, rows and slots, kept by triggers in the transaction that ends
-- what they count, so that no scrape adds up years; conditions that hold or held, the messages about them, and what processes
-- see of themselves. Nothing here holds a value of a record.
-- done: SELECT to_regclass('syncd.sighting') IS NOT NULL
BEGIN;

CREATE TABLE IF NOT EXISTS syncd.run_total (
    job             text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    state           text COLLATE "C" NOT NULL,
    verdict         text COLLATE "C" NOT NULL DEFAULT '',
    runs            bigint NOT NULL,
    seconds         double precision NOT NULL,
    requests        bigint NOT NULL,
    bytes           bigint NOT NULL,
    last_run_id     bigint NOT NULL,
    last_started_at timestamptz NOT NULL,
    last_ended_at   timestamptz NOT NULL,
    PRIMARY KEY (job, kind, state, verdict)
);
COMMENT ON TABLE syncd.run_total IS 'How many runs ended in which way and what they cost, since the first; runs that were let go stay counted.';

CREATE TABLE IF NOT EXISTS syncd.row_total (
    job     text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    rows    bigint NOT NULL,
    PRIMARY KEY (job, outcome)
);
COMMENT ON TABLE syncd.row_total IS 'What became of rows, by job, in runs that have ended.';

CREATE TABLE IF NOT EXISTS syncd.slot_total (
    job   text COLLATE "C" NOT NULL,
    kind  text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    slots bigint NOT NULL,
    PRIMARY KEY (job, kind, state)
);
COMMENT ON TABLE syncd.slot_total IS 'How many slots ended in which way.';

-- What there is already, once.
DO $fill$
BEGIN
    IF EXISTS (SELECT FROM syncd.run_total) OR EXISTS (SELECT FROM syncd.slot_total) THEN
        RETURN;
    END IF;
    INSERT INTO syncd.run_total
    SELECT job, kind, state, coalesce(verdict, ''), count(*), sum(extract(epoch FROM coalesce(ended_at, started_at) - started_at)),
           sum(requests), sum(bytes), max(run_id), max(started_at), max(coalesce(ended_at, started_at))
    FROM syncd.run WHERE state <> 'running' GROUP BY 1, 2, 3, 4;
    INSERT INTO syncd.row_total
    SELECT r.job, v.outcome, sum(v.n)
    FROM syncd.run AS r JOIN syncd.run_table AS t USING (run_id)
    CROSS JOIN LATERAL (VALUES ('inserted', t.inserted), ('updated', t.updated), ('unchanged', t.unchanged), ('reencoded', t.reencoded),
        ('superseded', t.superseded), ('duplicate', t.duplicate), ('rejected', t.rejected), ('blocked', t.blocked), ('deleted', t.deleted),
        ('nonconforming', t.nonconforming), ('missing', t.missing)) AS v (outcome, n)
    WHERE r.state <> 'running' AND v.n > 0 GROUP BY 1, 2;
    INSERT INTO syncd.slot_total
    SELECT job, kind, state, count(*) FROM syncd.slot WHERE state IN ('succeeded', 'failed', 'skipped') GROUP BY 1, 2, 3;
END
$fill$;

CREATE OR REPLACE FUNCTION syncd.count_ended_runs() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO syncd.run_total AS t
    SELECT n.job, n.kind, n.state, coalesce(n.verdict, ''), count(*), sum(extract(epoch FROM coalesce(n.ended_at, clock_timestamp()) - n.started_at)),
           sum(n.requests), sum(n.bytes), max(n.run_id), max(n.started_at), max(coalesce(n.ended_at, clock_timestamp()))
    FROM new_rows AS n JOIN old_rows AS o USING (run_id)
    WHERE o.state = 'running' AND n.state <> 'running'
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (job, kind, state, verdict) DO UPDATE
    SET runs = t.runs + excluded.runs, seconds = t.seconds + excluded.seconds, requests = t.requests + excluded.requests, bytes = t.bytes + excluded.bytes,
        last_run_id = greatest(t.last_run_id, excluded.last_run_id), last_started_at = greatest(t.last_started_at, excluded.last_started_at),
        last_ended_at = greatest(t.last_ended_at, excluded.last_ended_at);
    INSERT INTO syncd.row_total AS t
    SELECT n.job, v.outcome, sum(v.n)
    FROM new_rows AS n JOIN old_rows AS o USING (run_id) JOIN syncd.run_table AS r USING (run_id)
    CROSS JOIN LATERAL (VALUES ('inserted', r.inserted), ('updated', r.updated), ('unchanged', r.unchanged), ('reencoded', r.reencoded),
        ('superseded', r.superseded), ('duplicate', r.duplicate), ('rejected', r.rejected), ('blocked', r.blocked), ('deleted', r.deleted),
        ('nonconforming', r.nonconforming), ('missing', r.missing)) AS v (outcome, n)
    WHERE o.state = 'running' AND n.state <> 'running' AND v.n > 0
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (job, outcome) DO UPDATE SET rows = t.rows + excluded.rows;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION syncd.count_ended_slots() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO syncd.slot_total AS t
        SELECT n.job, n.kind, n.state, count(*) FROM new_rows AS n WHERE n.state IN ('succeeded', 'failed', 'skipped')
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (job, kind, state) DO UPDATE SET slots = t.slots + excluded.slots;
    ELSE
        INSERT INTO syncd.slot_total AS t
        SELECT n.job, n.kind, n.state, count(*) FROM new_rows AS n JOIN old_rows AS o USING (job, kind, slot_at)
        WHERE n.state IN ('succeeded', 'failed', 'skipped') AND o.state <> n.state
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (job, kind, state) DO UPDATE SET slots = t.slots + excluded.slots;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER count_ended AFTER UPDATE ON syncd.run
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION syncd.count_ended_runs();
CREATE OR REPLACE TRIGGER count_ended AFTER UPDATE ON syncd.slot
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION syncd.count_ended_slots();
CREATE OR REPLACE TRIGGER count_recorded AFTER INSERT ON syncd.slot
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION syncd.count_ended_slots();

CREATE INDEX IF NOT EXISTS reject_unresolved ON syncd.reject (job) WHERE resolved_at IS NULL;

CREATE TABLE IF NOT EXISTS syncd.notice (
    notice_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause       text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    began_at    timestamptz NOT NULL,
    noticed_at  timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    told_at     timestamptz,
    ended_at    timestamptz,
    end_told_at timestamptz,
    count       bigint NOT NULL DEFAULT 0,
    told_count  bigint NOT NULL DEFAULT 0,
    run_id      bigint
);
COMMENT ON TABLE syncd.notice IS 'What somebody should know: a source that is down, a job that failed, a feed that is silent; since when, and when it was told.';
CREATE UNIQUE INDEX IF NOT EXISTS notice_open ON syncd.notice (cause, subject) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS notice_ended ON syncd.notice (ended_at);

CREATE TABLE IF NOT EXISTS syncd.message (
    message_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notifier    text COLLATE "C" NOT NULL,
    cause       text COLLATE "C" NOT NULL,
    body        jsonb NOT NULL,
    made_at     timestamptz NOT NULL,
    next_at     timestamptz NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    given_up_at timestamptz,
    error       text
);
COMMENT ON TABLE syncd.message IS 'Messages about notices, one row for each notifier that is to send them. Made in the transaction that notes the notices as told.';
CREATE INDEX IF NOT EXISTS message_open ON syncd.message (notifier, message_id) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX IF NOT EXISTS message_made ON syncd.message (made_at);

CREATE TABLE IF NOT EXISTS syncd.sighting (
    cause      text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    replica    text COLLATE "C" NOT NULL DEFAULT '',
    seen_at    timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (cause, subject, replica)
);
COMMENT ON TABLE syncd.sighting IS 'What only a process can see: certificates and when they end, receivers that it cannot let anybody in to. replica is empty where one answer holds for all.';

COMMIT;
