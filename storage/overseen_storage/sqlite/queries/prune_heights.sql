-- The highest seq and stamp among the events of :ids (an array), how many there are, and how many
-- log lines.
SELECT
    max(seq), max(at), count(*),
    (SELECT count(*) FROM log_line WHERE log_line.job_id IN (SELECT value FROM json_each(:ids)))
FROM ledger INDEXED BY ledger_job
WHERE job_id IN (SELECT value FROM json_each(:ids)) AND job_id IS NOT NULL
