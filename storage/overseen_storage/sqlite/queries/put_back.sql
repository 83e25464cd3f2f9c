-- RETRY, SNOOZE or REQUEUE of running attempts. :rows is an array of `PutBack`.
UPDATE job SET
    status = entry.status,
    changed_at = :at + entry.position,
    reason = (SELECT code FROM word WHERE family = 'reason' AND word = entry.reason),
    cause = (SELECT code FROM word WHERE family = 'cause' AND word = entry.cause),
    ready_at = CASE
        WHEN entry.status = 4 /* pending */ AND NOT entry.keep_ready_at THEN :at + entry.position
        ELSE job.ready_at
    END,
    due_at = entry.due_at,
    expires_at = CASE entry.status
        WHEN 4 /* pending */ THEN :at + entry.position + job.queue_timeout_us
    END,
    held = (SELECT code FROM word WHERE family = 'held' AND word = entry.held),
    error = coalesce(entry.error, job.error),
    failures = job.failures + entry.failures,
    losses = job.losses + entry.losses,
    interruptions = job.interruptions + entry.interruptions,
    snoozes = job.snoozes + entry.snoozes,
    stop_reason = NULL,
    deadline_at = NULL
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS job_id,
        json_extract(each.value, '$[1]') AS fence,
        CASE json_extract(each.value, '$[2]')
            WHEN 'retrying' THEN 7
            WHEN 'scheduled' THEN 3
            WHEN 'pending' THEN 4
            ELSE 0
        END AS status,
        json_extract(each.value, '$[3]') AS reason,
        json_extract(each.value, '$[4]') AS cause,
        json_extract(each.value, '$[5]') AS due_at,
        json_extract(each.value, '$[6]') AS keep_ready_at,
        json_extract(each.value, '$[7]') AS held,
        json_extract(each.value, '$[8]') AS error,
        json_extract(each.value, '$[9]') AS failures,
        json_extract(each.value, '$[10]') AS losses,
        json_extract(each.value, '$[11]') AS interruptions,
        json_extract(each.value, '$[12]') AS snoozes
    FROM json_each(:rows) AS each
) AS entry
WHERE
    job.id = entry.job_id
    AND job.fence = entry.fence
    AND job.status = 5 /* running */
