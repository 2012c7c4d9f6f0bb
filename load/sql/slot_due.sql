-- Slots that wait to be run, oldest first. Reads only.
SELECT job, kind, slot_at FROM syncd.slot WHERE state = 'due' ORDER BY slot_at, job, kind
