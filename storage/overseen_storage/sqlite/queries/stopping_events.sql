-- Tell of the attempts that were just told to stop. :rows is an array of `MarkStopping`.
INSERT INTO ledger (seq, at, type, cause, job_id, fence, reason, data)
SELECT
    :seq + row_number() OVER (ORDER BY entry.key) - 1, job.changed_at, 101 /* stopping */,
    3 /* watchdog */, job.id, job.fence, job.stop_reason, json_extract(entry.value, '$[3]')
FROM json_each(:rows) AS entry
CROSS JOIN job ON job.id = json_extract(entry.value, '$[0]')
WHERE job.changed_at = :at + entry.key
