-- Unfinalized batches whose members ended since a stamp, and those of :more (an array): as an
-- array of id, status, policy, threshold, stopped, total, whether failures are to be looked at,
-- whether a member is open.
SELECT json_group_array(json_array(
    batch.id, batch.status, batch.policy, batch.threshold, batch.stopped, batch.total,
    touched.failed,
    EXISTS (
        SELECT 1 FROM job INDEXED BY job_batch_open
        WHERE job.batch_id = batch.id AND job.batch_id IS NOT NULL AND job.completed_at IS NULL
    )
))
FROM (
    SELECT batch_id, max(failed) AS failed FROM (
        SELECT batch_id, status = 9 /* failed */ AS failed FROM job INDEXED BY job_ended
        WHERE
            status IN (8 /* completed */, 9 /* failed */, 10 /* cancelled */)
            AND completed_at >= :since AND completed_at IS NOT NULL
            AND batch_id IS NOT NULL
        UNION ALL
        SELECT value, 1 FROM json_each(:more)
    )
    GROUP BY batch_id
) AS touched
CROSS JOIN batch ON batch.id = touched.batch_id
WHERE batch.finalized_at IS NULL
