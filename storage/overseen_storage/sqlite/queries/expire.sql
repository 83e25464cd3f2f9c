-- FAIL of those :ids (an array) that waited too long, CANCEL of those that are drafts.
UPDATE job SET
    status = CASE job.status WHEN 1 /* draft */ THEN 10 /* cancelled */ ELSE 9 /* failed */ END,
    completed_at = :at + entry.key,
    changed_at = :at + entry.key,
    reason = CASE job.status
        WHEN 1 /* draft */ THEN 11 /* draft_expired */
        ELSE 6 /* expired */
    END,
    cause = 3 /* watchdog */,
    held = NULL,
    due_at = NULL,
    due_wall_at = NULL,
    expires_at = NULL
FROM json_each(:ids) AS entry
WHERE job.id = entry.value AND job.status IN (1 /* draft */, 4 /* pending */)
