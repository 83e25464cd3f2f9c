-- One batch: the columns of `BatchRecord`, in its order.
SELECT
    id, name, status, policy, threshold, stopped, due, created_at, sealed_at, total, finalized_at,
    on_finish, on_failure, aggregate, labels, summary
FROM batch WHERE id = :id
