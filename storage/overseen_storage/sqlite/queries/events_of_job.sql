-- The events of one job after a seq, as an array in order.
SELECT json_group_array(json_array(
    seq, at, type, job_id, kind, queue, batch_id, status, fence, reason, cause, data
)) FROM (
    SELECT
        ledger.seq, ledger.at, ledger.type, ledger.job_id, job.kind, job.queue,
        coalesce(ledger.batch_id, job.batch_id) AS batch_id,
        ledger.status, ledger.fence, ledger.reason, ledger.cause, ledger.data
    FROM ledger INDEXED BY ledger_job LEFT JOIN job ON job.id = ledger.job_id
    WHERE
        ledger.job_id = :job_id AND ledger.job_id IS NOT NULL
        AND ledger.seq > :after AND ledger.seq <= :up_to
        AND (:kind IS NULL OR job.kind = :kind)
        AND (:batch_id IS NULL OR coalesce(ledger.batch_id, job.batch_id) = :batch_id)
    ORDER BY ledger.seq LIMIT :limit
)
