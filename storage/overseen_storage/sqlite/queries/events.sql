-- The ledger after a seq, as an array of events in order.
SELECT json_group_array(json_array(
    seq, at, type, job_id, kind, queue, batch_id, status, fence, reason, cause, data
)) FROM (
    SELECT
        ledger.seq, ledger.at, ledger.type, ledger.job_id, job.kind,
        coalesce(ledger.queue, job.queue) AS queue,
        coalesce(ledger.batch_id, job.batch_id) AS batch_id,
        ledger.status, ledger.fence, ledger.reason, ledger.cause, ledger.data
    FROM ledger LEFT JOIN job ON job.id = ledger.job_id
    WHERE ledger.seq > :after AND ledger.seq <= :up_to
    ORDER BY ledger.seq LIMIT :limit
)
