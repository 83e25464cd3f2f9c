-- Create jobs that differ in nothing but their arguments: the common case, three times as fast.
-- :rows is an array of arguments, or an object from offset to arguments.
INSERT INTO job (
    id, status, priority, queue, kind, created_at, changed_at, ready_at, expires_at, cause,
    due_at, due_wall_at, retries, losses_allowed, arguments, checkpoint,
    timeout_us, heartbeat_us, grace_us, queue_timeout_us, key, idempotency_key, labels, headers,
    parent_id, retried_from, batch_id
)
SELECT
    :first_id + entry.key, :status, :priority, :queue, :kind, :at + entry.key, :at + entry.key,
    CASE :status WHEN 4 /* pending */ THEN :at + entry.key END,
    CASE :status
        WHEN 4 /* pending */ THEN :at + entry.key + :queue_timeout_us
        WHEN 1 /* draft */ THEN :expires_at
    END,
    :cause,
    :due_at, :due_wall_at, :retries, :losses_allowed, entry.value, :checkpoint,
    :timeout_us, :heartbeat_us, :grace_us, :queue_timeout_us, :key, :idempotency_key, :labels,
    :headers, :parent_id, :retried_from, :batch_id
FROM json_each(:rows) AS entry
