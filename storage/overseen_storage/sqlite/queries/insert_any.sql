-- Create jobs of any mixture. :rows is an array of `NewJob`; large arguments come as :arguments.
INSERT INTO job (
    id, status, priority, queue, kind, created_at, changed_at, ready_at, expires_at, cause,
    due_at, due_wall_at, retries, losses_allowed, arguments, checkpoint,
    timeout_us, heartbeat_us, grace_us, queue_timeout_us, key, idempotency_key, labels, headers,
    parent_id, retried_from, batch_id
)
SELECT
    :first_id + entry.position, entry.status, entry.priority, entry.queue, entry.kind,
    :at + entry.position, :at + entry.position,
    CASE entry.status WHEN 4 /* pending */ THEN :at + entry.position END,
    CASE entry.status
        WHEN 4 /* pending */ THEN :at + entry.position + entry.queue_timeout_us
        WHEN 1 /* draft */ THEN entry.expires_at
    END,
    :cause, entry.due_at, entry.due_wall_at, entry.retries, entry.losses_allowed,
    coalesce(:arguments, entry.arguments), coalesce(:checkpoint, entry.checkpoint),
    entry.timeout_us, entry.heartbeat_us, entry.grace_us, entry.queue_timeout_us, entry.key,
    entry.idempotency_key, entry.labels, entry.headers, entry.parent_id, entry.retried_from,
    entry.batch_id
FROM (
    SELECT
        :offset + each.key AS position,
        json_extract(each.value, '$[0]') AS kind,
        json_extract(each.value, '$[1]') AS queue,
        json_extract(each.value, '$[2]') AS priority,
        CASE json_extract(each.value, '$[3]')
            WHEN 'pending' THEN 4
            WHEN 'scheduled' THEN 3
            WHEN 'draft' THEN 1
        END AS status,
        json_extract(each.value, '$[4]') AS arguments,
        json_extract(each.value, '$[5]') AS retries,
        json_extract(each.value, '$[6]') AS losses_allowed,
        json_extract(each.value, '$[7]') AS due_at,
        json_extract(each.value, '$[8]') AS due_wall_at,
        json_extract(each.value, '$[9]') AS timeout_us,
        json_extract(each.value, '$[10]') AS heartbeat_us,
        json_extract(each.value, '$[11]') AS grace_us,
        json_extract(each.value, '$[12]') AS queue_timeout_us,
        json_extract(each.value, '$[13]') AS key,
        json_extract(each.value, '$[15]') AS idempotency_key,
        json_extract(each.value, '$[16]') AS labels,
        json_extract(each.value, '$[17]') AS headers,
        json_extract(each.value, '$[18]') AS parent_id,
        json_extract(each.value, '$[19]') AS retried_from,
        json_extract(each.value, '$[20]') AS batch_id,
        json_extract(each.value, '$[21]') AS checkpoint,
        json_extract(each.value, '$[22]') AS expires_at
    FROM json_each(:rows) AS each
) AS entry
