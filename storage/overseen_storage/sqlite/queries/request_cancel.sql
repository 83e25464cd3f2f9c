-- REQUEST_CANCEL of running attempts. :rows is an array of `RequestCancel`.
UPDATE job SET
    status = 6 /* cancelling */,
    changed_at = :at + entry.position,
    reason = (SELECT code FROM word WHERE family = 'reason' AND word = entry.reason),
    cause = (SELECT code FROM word WHERE family = 'cause' AND word = entry.cause)
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS job_id,
        json_extract(each.value, '$[1]') AS fence,
        json_extract(each.value, '$[2]') AS reason,
        json_extract(each.value, '$[3]') AS cause
    FROM json_each(:rows) AS each
) AS entry
WHERE
    job.id = entry.job_id
    AND job.fence = entry.fence
    AND job.status = 5 /* running */
