-- Tell of those among :rows (an array of moves, the job's id first) that were just moved, with
-- the data at :data in each: the others have lost to somebody and get no event.
INSERT INTO ledger (seq, at, type, cause, job_id, status, fence, reason, data)
SELECT
    :seq + row_number() OVER (ORDER BY entry.key) - 1, job.changed_at,
    coalesce(:type, CASE job.status
        WHEN 8 /* completed */ THEN 8 /* completed */
        WHEN 9 /* failed */ THEN 14 /* failed */
        WHEN 10 /* cancelled */ THEN 13 /* cancelled */
        WHEN 7 /* retrying */ THEN 9 /* retrying */
        WHEN 3 /* scheduled */ THEN 10 /* snoozed */
        WHEN 4 /* pending */ THEN 11 /* requeued */
    END),
    job.cause, job.id, job.status, CASE WHEN :of_attempt THEN job.fence END, job.reason,
    json_extract(entry.value, :data)
FROM json_each(:rows) AS entry
CROSS JOIN job ON job.id = json_extract(entry.value, '$[0]')
WHERE job.changed_at = :at + entry.key
