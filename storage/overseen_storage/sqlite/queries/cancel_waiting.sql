-- CANCEL of jobs no body of which runs. :rows is an array of `CancelWaiting`.
UPDATE job SET
    status = 10 /* cancelled */,
    completed_at = :at + entry.position,
    changed_at = :at + entry.position,
    reason = CASE
        WHEN job.status = 1 /* draft */ AND entry.reason = 'requested' THEN 10 /* draft_discarded */
        ELSE (SELECT code FROM word WHERE family = 'reason' AND word = entry.reason)
    END,
    cause = (SELECT code FROM word WHERE family = 'cause' AND word = entry.cause),
    held = NULL,
    due_at = NULL,
    due_wall_at = NULL,
    expires_at = NULL
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS job_id,
        json_extract(each.value, '$[1]') AS reason,
        json_extract(each.value, '$[2]') AS cause
    FROM json_each(:rows) AS each
) AS entry
WHERE
    job.id = entry.job_id
    AND job.status IN (1 /* draft */, 3 /* scheduled */, 4 /* pending */, 7 /* retrying */)
