-- Queues with a claimable job: a skip-scan, one step of the index for each queue.
WITH RECURSIVE ready (queue) AS (
    SELECT * FROM (
        SELECT queue FROM job INDEXED BY job_claimable
        WHERE status = 4 AND held IS NULL
        ORDER BY queue LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT job.queue FROM job INDEXED BY job_claimable
        WHERE status = 4 AND held IS NULL AND job.queue > ready.queue
        ORDER BY job.queue LIMIT 1
    )
    FROM ready WHERE ready.queue IS NOT NULL
)
SELECT queue FROM ready WHERE queue IS NOT NULL
