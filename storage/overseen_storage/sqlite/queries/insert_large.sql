-- Create one job with large arguments: they are bound, not escaped into JSON and out of it again.
INSERT INTO job (
    id, status, priority, queue, kind, created_at, changed_at, ready_at, expires_at, cause,
    due_at, due_wall_at, retries, losses_allowed, arguments, checkpoint,
    timeout_us, heartbeat_us, grace_us, queue_timeout_us, key, idempotency_key, labels, headers,
    parent_id, retried_from, batch_id
)
SELECT
    :first_id + :offset, :status, :priority, :queue, :kind, :at + :offset, :at + :offset,
    CASE :status WHEN 4 /* pending */ THEN :at + :offset END,
    CASE :status
        WHEN 4 /* pending */ THEN :at + :offset + :queue_timeout_us
        WHEN 1 /* draft */ THEN :expires_at
    END,
    :cause,
    :due_at, :due_wall_at, :retries, :losses_allowed, :arguments, :checkpoint,
    :timeout_us, :heartbeat_us, :grace_us, :queue_timeout_us, :key, :idempotency_key, :labels,
    :headers, :parent_id, :retried_from, :batch_id
