-- Write notes on the ledger. :rows is an array of `Note`. Those that change their job's row are
-- written only if they just did so; the others whenever their job (if any) is there.
INSERT INTO ledger (
    seq, at, type, cause, job_id, fence, reason, batch_id, queue, data
)
SELECT
    :seq + row_number() OVER (ORDER BY entry.position) - 1, :at + entry.position,
    (SELECT code FROM word WHERE family = 'event' AND word = entry.type),
    (SELECT code FROM word WHERE family = 'cause' AND word = entry.cause),
    entry.job_id, entry.fence,
    (SELECT code FROM word WHERE family = 'reason' AND word = entry.reason),
    entry.batch_id, entry.queue, coalesce(entry.data, entry.progress)
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS type,
        json_extract(each.value, '$[1]') AS job_id,
        json_extract(each.value, '$[2]') AS fence,
        json_extract(each.value, '$[3]') AS batch_id,
        json_extract(each.value, '$[4]') AS queue,
        json_extract(each.value, '$[5]') AS reason,
        json_extract(each.value, '$[6]') AS cause,
        json_extract(each.value, '$[7]') AS data,
        json_extract(each.value, '$[8]') AS progress,
        json_extract(each.value, '$[9]') AS checkpoint
    FROM json_each(:rows) AS each
) AS entry
LEFT JOIN job ON job.id = entry.job_id
WHERE CASE
    WHEN entry.type = 'warning' OR entry.progress IS NOT NULL
        OR coalesce(:checkpoint, entry.checkpoint) IS NOT NULL
        THEN job.changed_at = :at + entry.position
    ELSE entry.job_id IS NULL OR job.id IS NOT NULL
END
