-- COMPLETE of many attempts. :rows is an array of [job, fence, result].
UPDATE job SET
    status = 8 /* completed */,
    completed_at = :at + entry.key,
    changed_at = :at + entry.key,
    result = json_extract(entry.value, '$[2]'),
    reason = NULL,
    cause = 2 /* body */,
    error = NULL,
    stop_reason = NULL,
    deadline_at = NULL
FROM json_each(:rows) AS entry
WHERE
    job.id = json_extract(entry.value, '$[0]')
    AND job.fence = json_extract(entry.value, '$[1]')
    AND job.status IN (5 /* running */, 6 /* cancelling */)
