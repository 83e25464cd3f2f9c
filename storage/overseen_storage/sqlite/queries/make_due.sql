-- MAKE_DUE of :ids (an array).
UPDATE job SET
    status = 4 /* pending */,
    changed_at = :at + entry.key,
    ready_at = :at + entry.key,
    expires_at = :at + entry.key + job.queue_timeout_us,
    due_at = NULL,
    due_wall_at = NULL,
    reason = NULL,
    cause = 4 /* scheduler */
FROM json_each(:ids) AS entry
WHERE job.id = entry.value AND job.status IN (3 /* scheduled */, 7 /* retrying */)
