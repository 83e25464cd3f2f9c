-- CANCEL of :ids (an array), members of a stopped batch that wait.
UPDATE job SET
    status = 10 /* cancelled */,
    completed_at = :at + entry.key,
    changed_at = :at + entry.key,
    reason = CASE job.status
        WHEN 1 /* draft */ THEN 10 /* draft_discarded */
        ELSE :reason
    END,
    cause = 8 /* batch */,
    held = NULL,
    due_at = NULL,
    due_wall_at = NULL,
    expires_at = NULL
FROM json_each(:ids) AS entry
WHERE
    job.id = entry.value
    AND job.status IN (1 /* draft */, 3 /* scheduled */, 4 /* pending */, 7 /* retrying */)
