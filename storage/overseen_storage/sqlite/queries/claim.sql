-- START of :ids (an array). :timeouts is a JSON object from kind to run timeout, or NULL.
UPDATE job SET
    status = 5 /* running */,
    fence = job.fence + 1,
    epoch = :epoch,
    started_at = coalesce(job.started_at, :at + entry.key),
    attempt_started_at = :at + entry.key,
    changed_at = :at + entry.key,
    deadline_at = :at + entry.key + coalesce(
        job.timeout_us,
        CASE WHEN :timeouts IS NOT NULL
            THEN (SELECT value FROM json_each(:timeouts) AS kinds WHERE kinds.key = job.kind)
        END
    ),
    expires_at = NULL,
    reason = NULL,
    cause = 5 /* supervisor */
FROM json_each(:ids) AS entry
WHERE job.id = entry.value AND job.status = 4 /* pending */ AND job.held IS NULL
