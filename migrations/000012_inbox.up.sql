-- The inbox of pushes: facts and state of every delivery, its bytes by month, what the receivers keep of themselves, and the
-- views that sources want beside their tables.
-- done: SELECT to_regclass('syncd.view_def') IS NOT NULL
BEGIN;

CREATE TABLE IF NOT EXISTS syncd.delivery (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination text COLLATE "C" NOT NULL,
    dedupe_key  text COLLATE "C" NOT NULL,
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    received_at timestamptz NOT NULL,
    source_id   text,
    model       text,
    event_type  text,
    event_at    timestamptz,
    test        boolean NOT NULL DEFAULT false,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'applied', 'rejected', 'unhandled')),
    reason      text,
    run_id      bigint,
    settled_at  timestamptz,
    UNIQUE (destination, dedupe_key, body_sha256)
);
COMMENT ON TABLE syncd.delivery IS 'Every push that was answered with 200, what became of it, and by what it is known again. Outlives the bytes. Holds no patient data.';
CREATE INDEX IF NOT EXISTS delivery_pending ON syncd.delivery (destination, test, seq) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS delivery_refused ON syncd.delivery (destination, seq) WHERE state IN ('rejected', 'unhandled');
CREATE INDEX IF NOT EXISTS delivery_received ON syncd.delivery USING brin (received_at);

CREATE TABLE IF NOT EXISTS syncd.payload (
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    body        bytea NOT NULL,
    PRIMARY KEY (seq, received_at)
) PARTITION BY RANGE (received_at);
COMMENT ON TABLE syncd.payload IS 'The bytes of pushes, exactly, by month of arrival. Grant it to nobody who may not see the data.';
-- What arrives in a month whose partition is not there yet is kept all the same.
CREATE TABLE IF NOT EXISTS syncd.payload_default PARTITION OF syncd.payload DEFAULT;

CREATE TABLE IF NOT EXISTS syncd.traffic (
    destination text COLLATE "C" NOT NULL,
    test        boolean NOT NULL,
    source_id   text COLLATE "C" NOT NULL,
    model       text COLLATE "C" NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    outcome     text COLLATE "C" NOT NULL,
    deliveries  bigint NOT NULL,
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (destination, test, source_id, model, event_type, outcome)
);
COMMENT ON TABLE syncd.traffic IS 'Settled deliveries by sender, model, event and outcome, and when the last one came in.';

CREATE TABLE IF NOT EXISTS syncd.receiver (
    destination   text COLLATE "C" PRIMARY KEY,
    verified_at   timestamptz,
    verified_form text
);
COMMENT ON TABLE syncd.receiver IS 'When a receiver was last verified from outside, and in which form.';

CREATE TABLE IF NOT EXISTS syncd.receiver_token (
    destination   text COLLATE "C" NOT NULL,
    fingerprint   text COLLATE "C" NOT NULL,
    uses          bigint NOT NULL DEFAULT 0,
    first_used_at timestamptz NOT NULL,
    last_used_at  timestamptz NOT NULL,
    PRIMARY KEY (destination, fingerprint)
);
COMMENT ON TABLE syncd.receiver_token IS 'How often each verification token was used: when the old one''s count stands still, it can go. Holds no token.';

CREATE TABLE IF NOT EXISTS syncd.auth_token (
    destination text COLLATE "C" NOT NULL,
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
    client_id   text NOT NULL,
    scope       text NOT NULL DEFAULT '',
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (destination, sha256)
);
COMMENT ON TABLE syncd.auth_token IS 'Access tokens that our token endpoints gave out, as hashes. A token is revoked by deleting its row.';
CREATE INDEX IF NOT EXISTS auth_token_expires ON syncd.auth_token (expires_at);

CREATE TABLE IF NOT EXISTS syncd.auth_jti (
    destination text COLLATE "C" NOT NULL,
    issuer      text COLLATE "C" NOT NULL,
    jti_sha256  bytea NOT NULL CHECK (octet_length(jti_sha256) = 32),
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (destination, issuer, jti_sha256)
);
COMMENT ON TABLE syncd.auth_jti IS 'Assertions that were used, until they expire: none is accepted twice, by any replica.';
CREATE INDEX IF NOT EXISTS auth_jti_expires ON syncd.auth_jti (expires_at);

CREATE TABLE IF NOT EXISTS syncd.view_def (
    schema_name text COLLATE "C" NOT NULL,
    view_name   text COLLATE "C" NOT NULL,
    digest      text NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema_name, view_name)
);
COMMENT ON TABLE syncd.view_def IS 'Views that syncd made beside a job''s tables, and a hash of the words that they were made of.';

COMMIT;
