-- COMPLETE, FAIL or CANCEL of live attempts. :rows is an array of `Finish`; a large result comes
-- as :result.
UPDATE job SET
    status = entry.status,
    completed_at = :at + entry.position,
    changed_at = :at + entry.position,
    result = coalesce(:result, entry.result),
    reason = (SELECT code FROM word WHERE family = 'reason' AND word = entry.reason),
    cause = (SELECT code FROM word WHERE family = 'cause' AND word = entry.cause),
    error = CASE entry.status
        WHEN 8 /* completed */ THEN entry.error
        ELSE coalesce(entry.error, job.error)
    END,
    failures = job.failures + entry.failures,
    losses = job.losses + entry.losses,
    stop_reason = NULL,
    deadline_at = NULL
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS job_id,
        json_extract(each.value, '$[1]') AS fence,
        CASE json_extract(each.value, '$[2]')
            WHEN 'completed' THEN 8
            WHEN 'failed' THEN 9
            WHEN 'cancelled' THEN 10
            ELSE 0
        END AS status,
        json_extract(each.value, '$[3]') AS result,
        json_extract(each.value, '$[4]') AS reason,
        json_extract(each.value, '$[5]') AS cause,
        json_extract(each.value, '$[6]') AS error,
        json_extract(each.value, '$[7]') AS failures,
        json_extract(each.value, '$[8]') AS losses
    FROM json_each(:rows) AS each
) AS entry
WHERE
    job.id = entry.job_id
    AND job.fence = entry.fence
    AND (
        job.status = 6 /* cancelling */
        OR (job.status = 5 /* running */ AND entry.status <> 10 /* cancelled */)
    )
