-- FAIL of :ids (an array), which waited too long.
UPDATE job SET
    status = 9 /* failed */,
    completed_at = :at + entry.key,
    changed_at = :at + entry.key,
    reason = 6 /* expired */,
    cause = 3 /* watchdog */,
    held = NULL,
    expires_at = NULL
FROM json_each(:ids) AS entry
WHERE job.id = entry.value AND job.status = 4 /* pending */
