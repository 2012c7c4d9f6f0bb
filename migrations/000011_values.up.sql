-- Value rules: REDCap's validation rules as a table, and views by which data managers find the values that break them, over
-- all projects; views of the structure of all projects. docs/decisions/0004-value-rules.md says why they are functions:
-- nothing here depends on a project's tables or keeps a lock on them, and a caller sees what he may read.
-- done: SELECT to_regclass('syncd.all_dag') IS NOT NULL
BEGIN;

CREATE TABLE IF NOT EXISTS syncd.value_rule (
    rule     text COLLATE "C" PRIMARY KEY,
    severity text NOT NULL CHECK (severity IN ('nonconforming', 'soft range', 'required format')),
    message  text NOT NULL,
    applies  text[] NOT NULL,
    stored   boolean NOT NULL,
    pattern  text COLLATE "C"
);
COMMENT ON TABLE syncd.value_rule IS 'REDCap''s validation rules in its own words. applies: "type:validation" or "type" of a field, "column:type" where the dictionary says nothing closer; stored: the pattern is looked for in typed columns too.';

INSERT INTO syncd.value_rule (rule, severity, message, applies, stored, pattern) VALUES
    ('not_an_integer', 'nonconforming', 'The value is not an integer',
     ARRAY['text:integer', 'column:smallint', 'column:integer', 'column:bigint'], false, '^[-+]?[0-9]+$'),
    ('not_a_number', 'nonconforming', 'The value is not a number',
     ARRAY['text:number', 'text:number_1dp', 'text:number_2dp', 'text:number_3dp', 'text:number_4dp', 'text:number_comma_decimal', 'text:number_1dp_comma_decimal', 'text:number_2dp_comma_decimal', 'text:number_3dp_comma_decimal', 'text:number_4dp_comma_decimal', 'column:numeric'], false, '^[-+]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][-+]?[0-9]+)?$'),
    ('not_a_date', 'nonconforming', 'The value must be a date that exists (Y-M-D)',
     ARRAY['text:date_ymd', 'text:date_mdy', 'text:date_dmy', 'column:date'], false, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    ('not_a_datetime', 'nonconforming', 'The value must be a date and a time of day that exist (Y-M-D HH:MM or Y-M-D HH:MM:SS)',
     ARRAY['text:datetime_ymd', 'text:datetime_mdy', 'text:datetime_dmy', 'text:datetime_seconds_ymd', 'text:datetime_seconds_mdy', 'text:datetime_seconds_dmy', 'column:timestamp without time zone', 'column:timestamp with time zone'], false, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$'),
    ('not_a_time', 'nonconforming', 'The value must be a time of day in the format HH:MM within the range 00:00-23:59',
     ARRAY['text:time'], false, '^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$'),
    ('not_a_time_with_seconds', 'nonconforming', 'The value must be a time of day in the format HH:MM:SS within the range 00:00:00-23:59:59',
     ARRAY['text:time_hh_mm_ss', 'column:time without time zone'], false, '^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$'),
    ('not_minutes_and_seconds', 'nonconforming', 'The value must be a time in the format MM:SS within the range 00:00-59:59',
     ARRAY['text:time_mm_ss', 'column:interval'], false, '^([0-9]{2}:)?[0-5][0-9]:[0-5][0-9]$'),
    ('not_a_slider_value', 'nonconforming', 'The value is not a number on the slider',
     ARRAY['slider'], false, '^[-+]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][-+]?[0-9]+)?$'),
    ('not_yes_or_no', 'nonconforming', 'The value is neither 1 (Yes) nor 0 (No)',
     ARRAY['yesno'], false, NULL),
    ('not_true_or_false', 'nonconforming', 'The value is neither 1 (True) nor 0 (False)',
     ARRAY['truefalse'], false, NULL),
    ('not_checked_or_unchecked', 'nonconforming', 'The value is neither 1 (checked) nor 0 (unchecked)',
     ARRAY['checkbox', 'column:boolean'], false, NULL),
    ('not_a_choice', 'nonconforming', 'The value is not a code of the field''s choices in the data dictionary',
     ARRAY['radio', 'dropdown'], false, NULL),
    ('not_a_form_status', 'nonconforming', 'The value is not a form status: 0 (Incomplete), 1 (Unverified) or 2 (Complete)',
     ARRAY['form_status'], true, '^[012]$'),
    ('not_valid_text', 'nonconforming', 'The value is not valid text: its bytes are kept in hexadecimal digits',
     ARRAY['column:text'], false, NULL),
    ('not_of_its_type', 'nonconforming', 'The value does not fit the type of its column',
     ARRAY['column:uuid', 'column:jsonb', 'column:bytea'], false, NULL),
    ('too_large_for_its_column', 'nonconforming', 'The value is a number that is larger than its column can hold',
     '{}', false, NULL),
    ('below_suggested_range', 'soft range', 'The value is outside the suggested range: below its minimum. This value is admissible, but you may wish to double check it',
     '{}', false, NULL),
    ('above_suggested_range', 'soft range', 'The value is outside the suggested range: above its maximum. This value is admissible, but you may wish to double check it',
     '{}', false, NULL),
    ('not_hh_mm', 'required format', 'The time of day must be HH:MM within the range 00:00-23:59, without seconds',
     ARRAY['text:time'], true, '^([01]?[0-9]|2[0-3]):[0-5][0-9](:00)?$'),
    ('not_ymd_hh_mm', 'required format', 'The date and time must be Y-M-D HH:MM, without seconds',
     ARRAY['text:datetime_ymd', 'text:datetime_mdy', 'text:datetime_dmy'], true, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01]?[0-9]|2[0-3]):[0-5][0-9](:00)?$'),
    ('not_mm_ss', 'required format', 'The time must be MM:SS within the range 00:00-59:59, without hours',
     ARRAY['text:time_mm_ss'], true, '^(00:)?[0-5][0-9]:[0-5][0-9]$'),
    ('not_1_decimal', 'required format', 'The number must have exactly 1 decimal place',
     ARRAY['text:number_1dp', 'text:number_1dp_comma_decimal'], true, '^[-+]?[0-9]+[.,][0-9]{1}$'),
    ('not_2_decimals', 'required format', 'The number must have exactly 2 decimal places',
     ARRAY['text:number_2dp', 'text:number_2dp_comma_decimal'], true, '^[-+]?[0-9]+[.,][0-9]{2}$'),
    ('not_3_decimals', 'required format', 'The number must have exactly 3 decimal places',
     ARRAY['text:number_3dp', 'text:number_3dp_comma_decimal'], true, '^[-+]?[0-9]+[.,][0-9]{3}$'),
    ('not_4_decimals', 'required format', 'The number must have exactly 4 decimal places',
     ARRAY['text:number_4dp', 'text:number_4dp_comma_decimal'], true, '^[-+]?[0-9]+[.,][0-9]{4}$'),
    ('not_an_email', 'required format', 'The value must be a valid e-mail address (like joe@user.com)',
     ARRAY['text:email'], false, '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?[.])+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$'),
    ('not_a_zipcode', 'required format', 'The value must be a 5 or 9 digit U.S. ZIP Code (like 94043)',
     ARRAY['text:zipcode'], false, '^[0-9]{5}(-?[0-9]{4})?$'),
    ('not_a_phone', 'required format', 'The value must be a 10 digit U.S. phone number (like 415 555 1212)',
     ARRAY['text:phone'], false, '^([+]?1[ .-]*)?([(][0-9]{3}[)]|[0-9]{3})[ .-]*[0-9]{3}[ .-]*[0-9]{4}([ ,]*(x|X|#|ext|Ext|EXT|extension)[ .:]*[0-9]+)?$'),
    ('not_a_phone_australia', 'required format', 'The value must be a 10 digit Australian phone number (like 02 5551 1234)',
     ARRAY['text:phone_australia'], false, '^([(]0[2-8][)]|0[2-8]) *[0-9]{4} *[0-9]{4}$'),
    ('not_a_phone_uk', 'required format', 'The value must be a UK phone number of 10 or 11 digits (like 020 7946 0018)',
     ARRAY['text:phone_uk'], false, '^([+]44( *[(]0[)])?|[(]?0)([ ()-]*[0-9]){9,10}$'),
    ('not_a_postalcode_australia', 'required format', 'The value must be a 4 digit Australian postal code (like 2600)',
     ARRAY['text:postalcode_australia'], false, '^[0-9]{4}$'),
    ('not_a_postalcode_canada', 'required format', 'The value must be a Canadian postal code (like K1A 0B1)',
     ARRAY['text:postalcode_canada'], false, '^[ABCEGHJ-NPRSTVXYabceghj-nprstvxy][0-9][A-Za-z] *[0-9][A-Za-z][0-9]$'),
    ('not_a_postalcode_french', 'required format', 'The value must be a 5 digit French postal code (like 75008)',
     ARRAY['text:postalcode_french'], false, '^(0[1-9]|[1-8][0-9]|9[0-8])[0-9]{3}$'),
    ('not_a_postalcode_germany', 'required format', 'The value must be a 5 digit German postal code (like 10115)',
     ARRAY['text:postalcode_germany'], false, '^(0[1-9]|[1-9][0-9])[0-9]{3}$'),
    ('not_a_postalcode_uk', 'required format', 'The value must be a UK postal code (like SW1A 1AA)',
     ARRAY['text:postalcode_uk'], false, '^[A-Za-z]{1,2}[0-9][A-Za-z0-9]? *[0-9][A-Za-z]{2}$'),
    ('not_an_ssn', 'required format', 'The value must be a U.S. Social Security Number (like 123-45-6789)',
     ARRAY['text:ssn'], false, '^[0-9]{3}-[0-9]{2}-[0-9]{4}$'),
    ('not_a_10_digit_mrn', 'required format', 'The value must be a medical record number of 10 digits',
     ARRAY['text:mrn_10d'], false, '^[0-9]{10}$'),
    ('not_a_generic_mrn', 'required format', 'The value must be a medical record number of digits, letters, hyphens and underscores',
     ARRAY['text:mrn_generic'], false, '^[A-Za-z0-9_-]+$'),
    ('not_a_vanderbilt_mrn', 'required format', 'The value is not a valid Vanderbilt Medical Record Number (4 to 9 digits, excluding leading zeros)',
     ARRAY['text:vmrn'], false, '^0*[1-9][0-9]{3,8}$'),
    ('not_letters_only', 'required format', 'The value must be letters only',
     ARRAY['text:alpha_only'], false, '^[A-Za-z]+$')
ON CONFLICT DO NOTHING;

-- The structure table of a kind, such as redcap_field, of all projects or of one job's, a row of it as one object. A
-- table that is not there, or that the caller may not read, has no rows.
CREATE OR REPLACE FUNCTION syncd.meta_rows(kind text, only_job text DEFAULT NULL)
RETURNS TABLE (job text, schema_name text, project_id integer, title text, body jsonb)
LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT j.job, j.schema_name, substring(j.source_id FROM '^[0-9]{1,9}$')::integer AS project_id, j.title, c.oid::regclass AS relation,
               n.nspname, c.relname
        FROM syncd.job AS j
        JOIN syncd.table_def AS d ON d.job = j.job AND d.schema_name = j.schema_name || '_meta' AND d.source_name = kind
        JOIN pg_namespace AS n ON n.nspname = d.schema_name
        JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = d.table_name AND c.relkind IN ('r', 'p')
        WHERE (only_job IS NULL OR j.job = only_job) AND d.retired_at IS NULL
          AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        ORDER BY j.job
    LOOP
        BEGIN
            RETURN QUERY EXECUTE format('SELECT $1, $2, $3, $4, to_jsonb(m) FROM %I.%I AS m', t.nspname, t.relname)
                USING t.job, t.schema_name, t.project_id, t.title;
        EXCEPTION WHEN undefined_table OR undefined_column OR invalid_schema_name OR insufficient_privilege THEN
            CONTINUE; -- it went between the look and the read
        END;
    END LOOP;
END
$function$;

CREATE OR REPLACE VIEW syncd.all_field AS
SELECT m.job, m.schema_name, m.project_id, m.title, r.*
FROM syncd.meta_rows('redcap_field') AS m
CROSS JOIN LATERAL jsonb_to_record(m.body) AS r (
    field_name text, ordinal integer, form_name text, section_header text, field_type text, field_label text,
    select_choices_or_calculations text, field_note text, text_validation_type_or_show_slider_number text,
    text_validation_min text, text_validation_max text, identifier text, branching_logic text, required_field text,
    custom_alignment text, question_number text, matrix_group_name text, matrix_ranking text, field_annotation text);
COMMENT ON VIEW syncd.all_field IS 'The data dictionaries of all projects that the caller may read.';

CREATE OR REPLACE VIEW syncd.all_choice AS
SELECT m.job, m.schema_name, m.project_id, m.title, r.*
FROM syncd.meta_rows('redcap_choice') AS m
CROSS JOIN LATERAL jsonb_to_record(m.body) AS r (field_name text, ordinal integer, code text, label text, is_missing_code boolean);
COMMENT ON VIEW syncd.all_choice IS 'Codes and labels of all projects that the caller may read.';

CREATE OR REPLACE VIEW syncd.all_event AS
SELECT m.job, m.schema_name, m.project_id, m.title, r.*
FROM syncd.meta_rows('redcap_event') AS m
CROSS JOIN LATERAL jsonb_to_record(m.body) AS r (
    unique_event_name text, ordinal integer, event_name text, arm_num integer, custom_event_label text, event_id integer,
    day_offset integer, offset_min integer, offset_max integer);
COMMENT ON VIEW syncd.all_event IS 'Events of all longitudinal projects that the caller may read.';

-- The bound of a range as the text of a literal of a type; NULL where the dictionary's text is none.
CREATE OR REPLACE FUNCTION syncd.bound_text(pg_type text, validation text, bound text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres'
AS $function$
DECLARE
    literal text := btrim(bound, E' \t\r\n');
    is_one boolean;
BEGIN
    IF pg_type = 'numeric' AND validation LIKE '%comma_decimal' AND literal NOT LIKE '%.%' THEN
        literal := replace(literal, ',', '.');
    END IF;
    IF pg_type = 'interval' AND length(literal) = 5 THEN
        literal := '00:' || literal; -- MM:SS, which Postgres would read as hours and minutes
    END IF;
    is_one := literal ~ CASE pg_type
        WHEN 'numeric' THEN '^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,3})?$'
        WHEN 'date' THEN '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
        WHEN 'timestamp without time zone' THEN '^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$'
        WHEN 'time without time zone' THEN '^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$'
        WHEN 'interval' THEN '^[0-9]{2}:[0-5][0-9]:[0-5][0-9]$' END;
    IF is_one IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT (%L::%s)::text', literal, pg_type) INTO literal;
    RETURN literal;
EXCEPTION WHEN data_exception THEN
    RETURN NULL; -- a day that no calendar has
END
$function$;

-- Every live column of a job that the caller may read, with what the dictionary says of its values.
-- Nested loops are off because nobody can tell the planner that a dictionary may have 35,000 rows.
CREATE OR REPLACE FUNCTION syncd.value_columns(only_job text)
RETURNS TABLE (relation oid, quoted text, is_live boolean, table_source text, instrument text, column_id integer, column_name text, column_source text,
               is_key boolean, field text, field_type text, validation text, low text, high text, pg_type text, codes text[],
               kept_rule text, kept_pattern text, stored_rule text, stored_pattern text)
LANGUAGE sql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS $function$
WITH dictionary AS MATERIALIZED (
    SELECT m.schema_name, m.body ->> 'field_name' AS field, m.body ->> 'form_name' AS form, m.body ->> 'field_type' AS field_type,
           coalesce(m.body ->> 'text_validation_type_or_show_slider_number', '') AS validation,
           m.body ->> 'text_validation_min' AS low, m.body ->> 'text_validation_max' AS high,
           coalesce(m.body ->> 'select_choices_or_calculations', '') AS choices
    FROM syncd.meta_rows('redcap_field', only_job) AS m
), choice AS MATERIALIZED (
    SELECT m.schema_name, m.body ->> 'field_name' AS field, array_agg(coalesce(m.body ->> 'code', '') ORDER BY (m.body ->> 'ordinal')::integer) AS codes
    FROM syncd.meta_rows('redcap_choice', only_job) AS m
    WHERE m.body ->> 'is_missing_code' IS DISTINCT FROM 'true'
    GROUP BY 1, 2
), named AS MATERIALIZED (
    SELECT r.rule, r.severity, r.pattern, r.stored, k.key FROM syncd.value_rule AS r CROSS JOIN unnest(r.applies) AS k (key)
), present AS MATERIALIZED (
    SELECT c.oid AS relation, format('%I.%I', n.nspname, c.relname) AS quoted, t.source_name AS table_source, j.schema_name, d.column_id,
           a.attname::text AS column_name, d.source_name AS column_source, d.is_key, format_type(a.atttypid, NULL) AS pg_type,
           t.schema_name = j.schema_name AS is_live, nullif(d.field, '') AS field,
           d.field IS NULL AND d.source_name = t.source_name || '_complete' AS is_status
    FROM syncd.job AS j
    JOIN syncd.table_def AS t ON t.job = j.job AND t.schema_name IN (j.schema_name, j.schema_name || '_meta')
    JOIN syncd.column_def AS d ON d.schema_name = t.schema_name AND d.table_name = t.table_name
    JOIN pg_namespace AS n ON n.nspname = t.schema_name
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.table_name AND c.relkind IN ('r', 'p')
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = d.column_name AND a.attnum > 0 AND NOT a.attisdropped
    WHERE j.job = only_job AND t.retired_at IS NULL AND d.retired_at IS NULL
      AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
), typed AS MATERIALIZED (
    SELECT p.*, CASE WHEN p.is_status THEN 'form_status' ELSE f.field_type END AS field_type, f.validation, f.low, f.high, f.form, c.codes
    FROM present AS p
    LEFT JOIN dictionary AS f ON f.schema_name = p.schema_name AND f.field = p.field AND p.is_live
    LEFT JOIN choice AS c ON c.schema_name = p.schema_name AND c.field = p.field AND p.is_live AND f.field_type IN ('radio', 'dropdown')
)
SELECT y.relation, y.quoted, y.is_live, y.table_source, CASE WHEN y.is_key AND y.form IS NOT NULL THEN y.form ELSE y.table_source END,
       y.column_id, y.column_name, y.column_source, y.is_key, coalesce(y.field, y.column_source), y.field_type, y.validation, y.low, y.high, y.pg_type, y.codes,
       coalesce(k.rule, e.rule, u.rule, 'not_of_its_type'), coalesce(k.pattern, e.pattern, u.pattern),
       CASE WHEN e.stored THEN e.rule ELSE f.rule END, CASE WHEN e.stored THEN e.pattern ELSE f.pattern END
FROM typed AS y
LEFT JOIN named AS k ON k.key = y.field_type || ':' || y.validation AND k.severity = 'nonconforming'
LEFT JOIN named AS e ON e.key = y.field_type AND e.severity = 'nonconforming'
LEFT JOIN named AS u ON u.key = 'column:' || y.pg_type AND u.severity = 'nonconforming'
LEFT JOIN named AS f ON f.key = y.field_type || ':' || y.validation AND f.severity = 'required format' AND (f.stored OR y.pg_type = 'text')
$function$;

-- The queries that find what breaks a rule in a job's tables: one for what is kept beside the rows of a table, and one for
-- some 250 columns at a time of what is stored. Each answers record, event, instance, place and value; places tells
-- by place of which instrument, field and rule it is.
CREATE OR REPLACE FUNCTION syncd.value_queries(only_job text) RETURNS TABLE (query text, places jsonb)
LANGUAGE sql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS $function$
WITH c AS MATERIALIZED (SELECT * FROM syncd.value_columns(only_job)),
keyed AS MATERIALIZED (
    SELECT c.relation, c.quoted, c.table_source,
           array_agg(c.column_name ORDER BY c.column_id) AS keys,
           string_agg(format('t.%I::text', c.column_name), ' || ''|'' || ' ORDER BY c.column_id)
               FILTER (WHERE c.column_source NOT IN ('redcap_event_name', 'redcap_repeat_instance')) AS record,
           coalesce(max(format('t.%I', c.column_name)) FILTER (WHERE c.column_source = 'redcap_event_name'), 'NULL::text') AS event,
           coalesce(max(format('t.%I', c.column_name)) FILTER (WHERE c.column_source = 'redcap_repeat_instance'), 'NULL::integer') AS instance
    FROM c WHERE c.is_key
    GROUP BY 1, 2, 3
), repeats AS MATERIALIZED (
    SELECT m.body ->> 'form_name' AS form, array_agg(coalesce(m.body ->> 'event_name', '')) AS events
    FROM syncd.meta_rows('redcap_repeating', only_job) AS m
    WHERE m.body ->> 'form_name' <> ''
    GROUP BY 1
), repeats_known AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM c WHERE c.table_source = 'redcap_repeating' AND NOT c.is_live) AS yes
), measured AS MATERIALIZED (
    SELECT c.*, CASE WHEN c.pg_type IN ('smallint', 'integer', 'bigint', 'numeric') THEN 'numeric'
                     WHEN c.pg_type IN ('date', 'timestamp without time zone') THEN 'moment'
                     WHEN c.pg_type IN ('time without time zone', 'interval') THEN c.pg_type END AS measure
    FROM c WHERE NOT c.is_key
), ends AS MATERIALIZED (
    SELECT m.relation, m.table_source, m.column_id, m.column_name, m.pg_type, m.measure, m.validation, e.rule, e.sign, btrim(e.bound, E' \t\r\n') AS bound
    FROM measured AS m
    CROSS JOIN LATERAL (VALUES ('below_suggested_range', '<', m.low), ('above_suggested_range', '>', m.high)) AS e (rule, sign, bound)
    WHERE m.measure IS NOT NULL AND m.field_type IN ('text', 'slider') AND e.bound <> ''
), literal_ends AS (
    SELECT e.relation, e.column_id, e.rule, ''::text AS joins, format('t.%I %s ', e.column_name, e.sign) ||
           CASE e.bound
               WHEN 'today' THEN CASE e.pg_type WHEN 'date' THEN 'localtimestamp::date' WHEN 'timestamp without time zone' THEN 'date_trunc(''day'', localtimestamp)' END
               WHEN 'now' THEN CASE e.pg_type WHEN 'date' THEN 'localtimestamp::date' WHEN 'timestamp without time zone' THEN 'localtimestamp(0)'
                                              WHEN 'time without time zone' THEN 'localtime(0)' END
               ELSE (SELECT format('%L::%s', x.literal, x.pg_type) FROM (SELECT y.pg_type, syncd.bound_text(y.pg_type, e.validation, e.bound) AS literal
                         FROM (SELECT CASE e.measure WHEN 'numeric' THEN 'numeric' ELSE e.pg_type END AS pg_type) AS y) AS x WHERE x.literal IS NOT NULL)
           END AS condition
    FROM ends AS e
    WHERE e.bound NOT LIKE '[%'
), field_ends AS (
    SELECT e.relation, e.column_id, e.rule,
           CASE WHEN o.relation = e.relation THEN '' ELSE format(' LEFT JOIN %1$s AS o%2$s ON (o%2$s.%3$I, o%2$s.%4$I, o%2$s.%5$I) = (t.%6$I, t.%7$I, t.%8$I)%9$s', ok.quoted, o.relation,
               ok.keys[1], ok.keys[2], ok.keys[3], tk.keys[1], tk.keys[2], tk.keys[3],
               ' AND t.' || quote_ident(tk.keys[2]) || ' <> ALL (' || quote_literal(nullif(a.events, '{}')::text) || '::text[])') END AS joins,
           format('t.%I %s %s.%I', e.column_name, e.sign, CASE WHEN o.relation = e.relation THEN 't' ELSE 'o' || o.relation END, o.column_name) AS condition
    FROM ends AS e
    JOIN measured AS o ON o.field = substring(e.bound FROM '^[[]([^][]+)[]]$') AND o.measure = e.measure AND o.field_type <> 'checkbox'
    JOIN keyed AS tk ON tk.relation = e.relation
    JOIN keyed AS ok ON ok.relation = o.relation
    CROSS JOIN repeats_known AS known
    -- An instance of an instrument that repeats by itself shares its row of the export with no other instrument.
    CROSS JOIN LATERAL (SELECT coalesce(array_agg(v.event), '{}') AS events FROM repeats AS r CROSS JOIN unnest(r.events) AS v (event)
                        WHERE r.form IN (e.table_source, o.table_source) AND e.table_source <> o.table_source) AS a
    WHERE o.relation = e.relation OR cardinality(tk.keys) = 3 AND cardinality(ok.keys) = 3 AND (known.yes OR o.table_source = e.table_source)
), asked AS (
    SELECT c.relation, c.column_id, c.stored_rule AS rule, '' AS joins, format('t.%I::text COLLATE "C" !~ %L', c.column_name, c.stored_pattern) AS condition
    FROM c WHERE c.stored_rule IS NOT NULL AND (NOT c.is_key OR c.table_source = 'redcap_record' AND c.is_live)
    UNION ALL
    SELECT c.relation, c.column_id, 'not_a_choice', '', format('t.%I::text COLLATE "C" <> ALL (%L::text[])', c.column_name, c.codes::text)
    FROM c WHERE c.codes IS NOT NULL AND NOT c.is_key
    UNION ALL SELECT * FROM literal_ends
    UNION ALL SELECT * FROM field_ends
), chunked AS (
    SELECT a.*, (row_number() OVER w + 249) / 250 + sum(octet_length(a.condition)) OVER w / 500000 AS chunk,
           c.column_name, c.instrument, c.field
    FROM asked AS a JOIN c USING (relation, column_id)
    WHERE a.condition IS NOT NULL
    WINDOW w AS (PARTITION BY a.relation, a.joins ORDER BY a.column_id, a.rule ROWS UNBOUNDED PRECEDING)
), placed AS (
    SELECT x.*, row_number() OVER (PARTITION BY x.relation, x.joins, x.chunk ORDER BY x.column_id, x.rule) AS place FROM chunked AS x
), every AS (
    SELECT k.table_source, k.relation, format('SELECT (%s)::text, %s, %s, n.key, n.value FROM %s AS t CROSS JOIN LATERAL jsonb_each_text(t._nonconforming) AS n WHERE t._nonconforming IS NOT NULL',
                  k.record, k.event, k.instance, k.quoted) AS query,
           jsonb_object_agg(c.column_name, jsonb_build_object('instrument', c.instrument, 'field', c.field, 'rule', c.kept_rule, 'pattern',
                  CASE WHEN c.kept_rule IN ('not_an_integer', 'not_a_number', 'not_a_slider_value') THEN c.kept_pattern END)) AS places
    FROM keyed AS k
    JOIN c USING (relation)
    JOIN pg_attribute AS a ON a.attrelid = k.relation AND a.attname = '_nonconforming' AND NOT a.attisdropped
    WHERE k.record IS NOT NULL AND has_column_privilege(k.relation, a.attnum, 'SELECT')
    GROUP BY k.table_source, k.relation, k.record, k.event, k.instance, k.quoted
    UNION ALL
    SELECT k.table_source, k.relation, format('SELECT (%s)::text, %s, %s, v.place, v.value FROM %s AS t%s CROSS JOIN LATERAL (VALUES %s) AS v (place, value, broken) WHERE (%s) AND v.broken',
                  k.record, k.event, k.instance, k.quoted, p.joins,
                  string_agg(format('(%L, t.%I::text, %s)', p.place, p.column_name, p.condition), ', ' ORDER BY p.place),
                  string_agg(p.condition, ' OR ' ORDER BY p.place)),
           jsonb_object_agg(p.place, jsonb_build_object('instrument', p.instrument, 'field', p.field, 'rule', p.rule))
    FROM placed AS p
    JOIN keyed AS k USING (relation)
    WHERE k.record IS NOT NULL
    GROUP BY k.table_source, k.relation, p.joins, p.chunk, k.record, k.event, k.instance, k.quoted
)
SELECT e.query, e.places FROM every AS e ORDER BY e.table_source, e.relation
$function$;

-- What breaks a rule, in all jobs or in one: row by row, or counted by instrument, field and rule with nothing of a record.
CREATE OR REPLACE FUNCTION syncd.value_findings(only_job text, counted boolean)
RETURNS TABLE (job text, title text, project_id integer, schema_name text, instrument text, field text, rule text,
               record text, event text, instance integer, value text, count bigint)
LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET jit = off
AS $function$
DECLARE
    j record;
    q record;
    outer_query text := 'SELECT $2, $3, $4, $5, p.place ->> ''instrument'', p.place ->> ''field'', '
        'CASE WHEN f.value ~ (p.place ->> ''pattern'') THEN ''too_large_for_its_column'' ELSE p.place ->> ''rule'' END, ';
BEGIN
    outer_query := outer_query || CASE WHEN counted THEN 'NULL::text, NULL::text, NULL::integer, NULL::text, count(*)' ELSE 'f.record, f.event, f.instance, f.value, 1::bigint' END
        || ' FROM (%s) AS f (record, event, instance, place, value) CROSS JOIN LATERAL (SELECT $1 -> f.place) AS p (place) WHERE p.place IS NOT NULL'
        || CASE WHEN counted THEN ' GROUP BY 5, 6, 7' ELSE '' END;
    FOR j IN
        SELECT b.job, b.title, substring(b.source_id FROM '^[0-9]{1,9}$')::integer AS project_id, b.schema_name
        FROM syncd.job AS b WHERE only_job IS NULL OR b.job = only_job ORDER BY b.job
    LOOP
        FOR q IN SELECT v.query, v.places FROM syncd.value_queries(j.job) AS v LOOP
            BEGIN
                RETURN QUERY EXECUTE replace(outer_query, '%s', q.query) USING q.places, j.job, j.title, j.project_id, j.schema_name;
            EXCEPTION WHEN undefined_table OR undefined_column OR invalid_schema_name OR insufficient_privilege THEN
                CONTINUE; -- it went between the look and the read
            END;
        END LOOP;
    END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION syncd.nonconforming_values(only_job text DEFAULT NULL)
RETURNS TABLE (job text, title text, project_id integer, schema_name text, instrument text, field text, rule text, message text,
               severity text, record text, event text, instance integer, value text)
LANGUAGE sql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $function$
SELECT f.job, f.title, f.project_id, f.schema_name, f.instrument, f.field, f.rule, r.message, r.severity, f.record, f.event, f.instance, f.value
FROM syncd.value_findings(only_job, false) AS f
LEFT JOIN syncd.value_rule AS r ON r.rule = f.rule
$function$;
COMMENT ON FUNCTION syncd.nonconforming_values(text) IS 'syncd.nonconforming of one job only, which reads that job''s tables only.';

CREATE OR REPLACE VIEW syncd.nonconforming AS SELECT * FROM syncd.nonconforming_values();
COMMENT ON VIEW syncd.nonconforming IS 'Values that break a rule of their field, in all projects that the caller may read. Missing-data codes are none.';

CREATE OR REPLACE VIEW syncd.nonconforming_summary AS
SELECT f.job, f.title, f.project_id, f.schema_name, f.instrument, f.field, f.rule, r.message, r.severity, sum(f.count)::bigint AS count
FROM syncd.value_findings(NULL, true) AS f
LEFT JOIN syncd.value_rule AS r ON r.rule = f.rule
GROUP BY f.job, f.title, f.project_id, f.schema_name, f.instrument, f.field, f.rule, r.message, r.severity;
COMMENT ON VIEW syncd.nonconforming_summary IS 'How many values break a rule, by project, instrument, field and rule. Holds no value and no record.';

CREATE OR REPLACE VIEW syncd.all_dag AS
SELECT m.job, m.schema_name, m.project_id, m.title, r.*
FROM syncd.meta_rows('redcap_dag') AS m
CROSS JOIN LATERAL jsonb_to_record(m.body) AS r (unique_group_name text, data_access_group_name text, data_access_group_id integer);
COMMENT ON VIEW syncd.all_dag IS 'Data access groups of all projects that the caller may read.';

COMMIT;
