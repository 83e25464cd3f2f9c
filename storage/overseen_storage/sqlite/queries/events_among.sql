-- The events of a kind or batch among the next :window rows of the ledger after a seq.
SELECT json_group_array(json_array(
    seq, at, type, job_id, kind, queue, batch_id, status, fence, reason, cause, data
)) FROM (
    SELECT
        ledger.seq, ledger.at, ledger.type, ledger.job_id, job.kind,
        coalesce(ledger.queue, job.queue) AS queue,
        coalesce(ledger.batch_id, job.batch_id) AS batch_id,
        ledger.status, ledger.fence, ledger.reason, ledger.cause, ledger.data
    FROM (
        SELECT * FROM ledger WHERE seq > :after AND seq <= :up_to ORDER BY seq LIMIT :window
    ) AS ledger
    LEFT JOIN job ON job.id = ledger.job_id
    WHERE
        (:kind IS NULL OR job.kind = :kind)
        AND (:batch_id IS NULL OR coalesce(ledger.batch_id, job.batch_id) = :batch_id)
    ORDER BY ledger.seq LIMIT :limit
)
