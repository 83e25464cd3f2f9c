-- Tell of the jobs that were just moved, all of :ids (an array), from their rows.
INSERT INTO ledger (seq, at, type, cause, job_id, status, fence, reason)
SELECT
    :seq + entry.key, job.changed_at,
    coalesce(:type, CASE job.status
        WHEN 8 /* completed */ THEN 8 /* completed */
        WHEN 9 /* failed */ THEN 14 /* failed */
        WHEN 10 /* cancelled */ THEN 13 /* cancelled */
        WHEN 7 /* retrying */ THEN 9 /* retrying */
        WHEN 3 /* scheduled */ THEN 10 /* snoozed */
        WHEN 4 /* pending */ THEN 11 /* requeued */
    END),
    job.cause, job.id, job.status, CASE WHEN :of_attempt THEN job.fence END, job.reason
FROM json_each(:ids) AS entry
CROSS JOIN job ON job.id = entry.value
