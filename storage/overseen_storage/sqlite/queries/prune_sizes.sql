-- How many events and log lines belong to each of :ids (an array), in its order.
SELECT json_group_array(
    (
        SELECT count(*) FROM ledger INDEXED BY ledger_job
        WHERE ledger.job_id = entry.value AND ledger.job_id IS NOT NULL
    )
    + (SELECT count(*) FROM log_line WHERE log_line.job_id = entry.value)
)
FROM json_each(:ids) AS entry
